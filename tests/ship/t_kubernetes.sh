# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The manifests, as far as kubectl can read them without a cluster. How the DaemonSet runs is t_container.sh's.

# expect_all_known FILE COMMAND...: kubectl's own types have a place for every field, of that type, so nothing is lost on the way
# through them. COMMAND adds something, as else kubectl prints nothing.
expect_all_known() {
	local file=$1
	shift
	manifest "$file" >written.json
	kubectl "$@" --local -f "$MANIFESTS/$file" -o json >known.json 2>kubectl.err || fail "$file: $(tail -n 1 kubectl.err)"
	expect_eq "$(jq -r --slurpfile known known.json 'paths(type != "object" and type != "array") as $path | getpath($path) as $value |
		select(($known[0] | getpath($path)) != $value) | $path | join(".")' written.json)" "" "unknown in $file"
	expect "$file is empty" test -s written.json
}

test_manifests_have_fields_that_kubernetes_knows() {
	need_program kubectl
	expect_all_known base/daemonset.yaml set env NONE=none
	expect_all_known base/service.yaml set selector app.kubernetes.io/name=serin
}

# kustomize DIRECTORY: as one JSON document a line. kubectl reads directories as resources from 1.21 on.
kustomize() {
	kubectl kustomize "$1" >kustomized.yaml 2>kustomize.err || {
		! grep -q 'must be a file' kustomize.err || skip "this kubectl is older than 1.21"
		fail "kubectl kustomize $1: $(tail -n 1 kustomize.err)"
	}
	kubectl label --local -f kustomized.yaml none- -o json
}

# one KIND FILTER: of what kustomize made.
one() {
	jq -r --arg kind "$1" "select(.kind == \$kind) | $2" objects.json
}

test_manifests_of_the_example_fit_together() {
	need_program kubectl
	cp -r "$MANIFESTS" kubernetes
	kubectl kustomize kubernetes/example >no-token.yaml 2>no-token.err && note "it is built without a token"
	echo 0123456789abcdef0123456789abcdef >kubernetes/example/token
	kustomize kubernetes/example >objects.json
	expect_eq "$(jq -r .kind objects.json | sort | paste -sd ' ')" "ConfigMap DaemonSet Namespace Secret Service" "kinds"
	expect_eq "$(jq -r 'select(.kind != "Namespace") | .metadata.namespace' objects.json | sort -u)" serin "namespaces"
	expect_eq "$(one DaemonSet '.spec.template.spec.volumes[] | select(.name == "config").configMap.name')" \
		"$(one ConfigMap .metadata.name)" "the mounted configuration"
	expect_eq "$(one DaemonSet '.spec.template.spec.volumes[] | select(.name == "token").secret.secretName')" \
		"$(one Secret .metadata.name)" "the mounted token"
	expect_eq "$(one DaemonSet '.spec.template.spec.volumes[] | select(.name == "token").secret.defaultMode')" 256 "its mode, 0400"
	expect_match "$(one DaemonSet '.spec.template.spec.containers[0].image')" '^registry.example.com/serin:' "the image"
	expect_eq "$(one Service .spec.selector)" "$(one DaemonSet .spec.template.metadata.labels)" "whom the Service selects"
	expect_eq "$(one DaemonSet '.spec.template.spec.containers[0].ports[0].containerPort')" \
		"$(one Service '.spec.ports[0].port')" "the port"
	expect "it may ask the API server" test "$(one DaemonSet .spec.template.spec.automountServiceAccountToken)" = false
	expect "it is privileged" test "$(one DaemonSet '.spec.template.spec.containers[0].securityContext.privileged')" = false
	expect "names of its own" not grep -qE 'clusterrole|serviceAccountName' kustomized.yaml
}

# The file in the ConfigMap is one that the agent takes, and listens where the probes ask.
test_manifests_configuration_is_good() {
	need_program kubectl
	"$SERIN" lint "$MANIFESTS/example/serin.yaml" >lint.txt 2>&1 || note "serin lint: $(tail -n 1 lint.txt)"
	expect "the example listens elsewhere" grep -q "listen: \"0.0.0.0:$(manifest base/service.yaml | jq '.spec.ports[0].port')\"" \
		"$MANIFESTS/example/serin.yaml"
	expect_eq "$(grep -o 'token_file: [^,}]*' "$MANIFESTS/example/serin.yaml")" \
		"token_file: $(manifest base/daemonset.yaml | jq -r '.spec.template.spec.containers[0].volumeMounts[] |
			select(.name == "token").mountPath')/token" "where the token is"
}

test_manifests_service_monitor_scrapes_the_service() {
	need_program kubectl
	kustomize "$MANIFESTS/prometheus-operator" >objects.json
	expect_eq "$(one ServiceMonitor .spec.selector.matchLabels)" "$(manifest base/service.yaml | jq -r .metadata.labels)" "whom"
	expect_eq "$(one ServiceMonitor '.spec.endpoints[0].port')" "$(manifest base/service.yaml | jq -r '.spec.ports[0].name')" "the port"
}
