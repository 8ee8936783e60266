# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A headless Chromium, told what to do through ChromeDriver: WebDriver's HTTP protocol and nothing else.

  browser.py PORT COMMAND [ARGUMENT...]     ChromeDriver listens on 127.0.0.1:PORT; the session is kept in ./browser.session

  begin WIDTH HEIGHT    a browser with its profile below the working directory; what it is told to watch for begins here
  open URL              until the page has loaded
  eval EXPRESSION       prints what JavaScript makes of it: text as it is, all else as JSON; a promise is waited for
  click SELECTOR        as with a mouse: fails when the element is covered or cannot be seen
  keys TEXT             pressed one by one; {Tab}, {Enter}, {Escape}, {Space}, {Backspace} are keys
  behind                another tab comes before the page, which then is hidden; until `front`
  front
  size WIDTH HEIGHT     of the page, as on a phone when it is narrow
  media FEATURE VALUE   what the page is told of the reader's wishes, as prefers-color-scheme dark
  shot FILE             a picture of the whole page
  complaints            what the browser's console has had since the last time but for requests that got no answer or an error, a
                        line each, and broken content security policies
  hosts                 each host, with its port, that was asked for anything
  end
"""
import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

SESSION = "browser.session"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "Backspace": "\ue003"}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
OWN_SCHEMES = ("data", "about", "chrome", "chrome-untrusted")  # of the page and browser: nobody else is asked
WATCH = """
    window.brokenPolicies = [];
    window.hiddenFrom = window.hiddenTo = 0;
    document.addEventListener('securitypolicyviolation', e => brokenPolicies.push(`${e.violatedDirective} ${e.blockedURI}`));
    document.addEventListener('visibilitychange', e => {
        window[document.hidden ? 'hiddenFrom' : 'hiddenTo'] = performance.now();
    });
"""


class Refused(Exception):
    pass


def call(method, path, body=None):
    data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}{path}", data, {"Content-Type": "application/json"},
                                     method=method)
    try:
        with urllib.request.urlopen(request, timeout=50) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        value = json.load(error)["value"]
        raise Refused(f"{value['error']}: {value['message'].splitlines()[0]}") from None


def of_session(method, path, body=None):
    with open(SESSION, encoding="ascii") as file:
        return call(method, f"/session/{file.read()}{path}", body)


def cdp(command, **parameters):
    return of_session("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})


def begin(width, height):
    here = os.getcwd()
    arguments = ["--headless=new", "--no-sandbox", f"--user-data-dir={here}/chromium", f"--window-size={width},{height}",
                 "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
                 "--disable-features=Translate,OptimizationHints,MediaRouter"]
    wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
              "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
              "timeouts": {"script": 20000, "pageLoad": 20000}}
    session = call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
    with open(SESSION, "w", encoding="ascii") as file:
        file.write(session)
    cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    size(width, height)


def open_page(url):
    of_session("POST", "/url", {"url": url})


def evaluate(expression):
    script = ("const done = arguments[arguments.length - 1];"
              f"(async () => ({expression}))().then(done, error => done('error: ' + error))")
    return of_session("POST", "/execute/async", {"script": script, "args": []})


def show(expression):
    value = evaluate(expression)
    print(value if isinstance(value, str) else json.dumps(value))


def click(selector):
    found = of_session("POST", "/element", {"using": "css selector", "value": selector})
    of_session("POST", f"/element/{found[ELEMENT]}/click")


def keys(text):
    pressed = []
    while text:
        name, brace, rest = text[1:].partition("}") if text[0] == "{" else ("", "", "")
        pressed.append(KEYS[name] if brace else text[0])
        text = rest if brace else text[1:]
    actions = [{"type": kind, "value": key} for key in pressed for kind in ("keyDown", "keyUp")]
    of_session("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})


def behind():
    of_session("POST", "/window", {"handle": of_session("POST", "/window/new", {"type": "tab"})["handle"]})


def front():
    of_session("DELETE", "/window")
    of_session("POST", "/window", {"handle": of_session("GET", "/window/handles")[0]})


def size(width, height):
    cdp("Emulation.setDeviceMetricsOverride", width=int(width), height=int(height), deviceScaleFactor=1,
        mobile=int(width) < 600)


def media(feature, value):
    cdp("Emulation.setEmulatedMedia", features=[{"name": feature, "value": value}])


def shot(path):
    whole = cdp("Page.getLayoutMetrics")["cssContentSize"]
    picture = cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                  clip={"x": 0, "y": 0, "width": whole["width"], "height": whole["height"], "scale": 1})
    with open(path, "wb") as file:
        file.write(base64.b64decode(picture["data"]))


def complaints():
    for entry in of_session("POST", "/se/log", {"type": "browser"}):
        if entry["level"] in ("SEVERE", "WARNING") and entry["source"] != "network":
            print(f"{entry['source']}: {entry['message']}")
    for policy in evaluate("brokenPolicies"):
        print(f"policy: {policy}")


def hosts():
    asked = set()
    for entry in of_session("POST", "/se/log", {"type": "performance"}):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = urllib.parse.urlsplit(message["params"]["request"]["url"])
            if url.scheme not in OWN_SCHEMES:
                asked.add(url.netloc)
    print("\n".join(sorted(asked)))


def end():
    of_session("DELETE", "")


COMMANDS = {"begin": begin, "open": open_page, "eval": show, "click": click, "keys": keys, "behind": behind, "front": front, "size": size, "media": media,
            "shot": shot, "complaints": complaints, "hosts": hosts, "end": end}


def main():
    try:
        COMMANDS[sys.argv[2]](*sys.argv[3:])
    except (Refused, OSError) as error:
        sys.exit(f"browser: {' '.join(sys.argv[2:4])}: {error}")


if __name__ == "__main__":
    main()
