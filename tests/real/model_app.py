# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A model server as people write them: FastAPI around two small torch models, both made here at the start.

POST /classify {"text": ..}   a bag-of-words classifier, trained on the sentences below
POST /generate {"tokens": N}  a recurrent net that writes characters, one event each, as it computes them
"""

import asyncio
import json

import torch
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel

torch.manual_seed(7)
torch.set_num_threads(1)

EXAMPLES = [
    ("the answer came at once and was right", "good"),
    ("a quick and friendly reply", "good"),
    ("it works well and I like it", "good"),
    ("what a pleasant and fast service", "good"),
    ("the answer was late and wrong", "bad"),
    ("a slow and rude reply", "bad"),
    ("it fails often and I hate it", "bad"),
    ("what a broken and slow service", "bad"),
]
LABELS = ["good", "bad"]
VOCABULARY = {word: i + 1 for i, word in enumerate(sorted({w for text, _ in EXAMPLES for w in text.split()}))}
ALPHABET = "abcdefghijklmnopqrstuvwxyz ."
BIG = b"b" * (1 << 20)
HUGE = b"h" * (64 << 20)


def words(text):
    return torch.tensor([VOCABULARY.get(word, 0) for word in text.lower().split()] or [0])


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.EmbeddingBag(len(VOCABULARY) + 1, 16)
        self.out = torch.nn.Linear(16, len(LABELS))

    def forward(self, tokens):
        return self.out(self.embed(tokens, torch.tensor([0])))


class Writer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(len(ALPHABET), 32)
        self.cell = torch.nn.GRUCell(32, 64)
        self.out = torch.nn.Linear(64, len(ALPHABET))

    def forward(self, token, state):
        state = self.cell(self.embed(token), state)
        return self.out(state), state


def train():
    model = Classifier()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        for text, label in EXAMPLES:
            optimiser.zero_grad()
            target = torch.tensor([LABELS.index(label)])
            torch.nn.functional.cross_entropy(model(words(text)), target).backward()
            optimiser.step()
    return model.eval()


classifier = train()
writer = Writer().eval()
app = FastAPI()


class Text(BaseModel):
    text: str


class Prompt(BaseModel):
    tokens: int = 8


@app.api_route("/", methods=["GET", "HEAD"])
def hello():
    return {"labels": LABELS}


@app.post("/classify")
def classify(text: Text):
    with torch.no_grad():
        odds = torch.softmax(classifier(words(text.text)), 1)[0]
    return {"label": LABELS[int(odds.argmax())], "probability": round(float(odds.max()), 3)}


async def events(count):
    state, token = torch.zeros(1, 64), torch.tensor([0])
    sent = 0
    while count is None or sent < count:
        with torch.no_grad():
            logits, state = writer(token, state)
        token = torch.multinomial(torch.softmax(logits, 1), 1)[0]
        yield f"data: {json.dumps({'text': ALPHABET[int(token)]})}\n\n"
        sent += 1
        await asyncio.sleep(0.01)


@app.post("/generate/stream")
def generate(prompt: Prompt):
    return StreamingResponse(events(prompt.tokens), media_type="text/event-stream")


@app.get("/stream")
def stream():
    return StreamingResponse(events(5), media_type="text/event-stream")


@app.get("/long/stream")
def long_stream():
    return StreamingResponse(events(500), media_type="text/event-stream")


@app.get("/chunks/stream")
def chunks():
    return StreamingResponse(events(5), media_type="application/octet-stream")


@app.get("/abort/stream")
def endless():
    return StreamingResponse(events(None), media_type="text/event-stream")


@app.get("/abort/huge")
def huge():
    return Response(HUGE, media_type="application/octet-stream")


@app.api_route("/big", methods=["GET", "HEAD"])
def big():
    return Response(BIG, media_type="application/octet-stream")


@app.post("/post")
async def post(request: Request):
    return PlainTextResponse(f"{len(await request.body())}\n")


@app.get("/throttled")
def throttled():
    raise HTTPException(429)


@app.get("/broken")
def broken():
    raise RuntimeError("as asked")
