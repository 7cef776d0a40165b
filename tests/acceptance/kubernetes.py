#!/usr/bin/env python3
"""Checks the manifests of deploy/kubernetes as kustomize renders them.

    tests/acceptance/kubernetes.py BINARY

Runs in a virtual environment with kubernetes-requirements.txt. Checks

- every object against the schemas of the API, strictly, for each supported version of Kubernetes;
- every pod against the Pod Security Standard `restricted`;
- that selectors, ports, settings, mounts and secrets fit together;
- that BINARY accepts the settings of each container (`config check`), with secrets in place;
- that these checks find seeded defects.
"""

import copy
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy" / "kubernetes"
# The versions that the Kubernetes project maintains.
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
# Kinds of other projects, which the schemas do not contain.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
# Secrets are created by hand or by an operator, with these keys.
SECRETS = {
    "credential-keeper-keyring": {"keyring.json"},
    "credential-keeper-database": {"password"},
    "credential-keeper-database-owner": {"password"},
    "credential-keeper-database-auditor": {"password"},
    "credential-keeper-tls": {"tls.crt", "tls.key"},
}
CONFIG_MAPS = {"credential-keeper-database-ca": {"ca.crt"}}
# Volumes that the standard allows, apart from those that a secret store mounts.
RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}


def render(folder):
    """The objects of a kustomization."""
    kubectl = Path(sys.executable).parent / "kubectl"
    text = subprocess.run(
        [kubectl, "kustomize", folder], check=True, capture_output=True, text=True
    ).stdout
    return list(yaml.safe_load_all(text))


def name_of(item):
    return f"{item['kind']}/{item['metadata']['name']}"


def schema_problems(objects):
    for version in VERSIONS:
        for item in objects:
            if item["kind"] in FOREIGN:
                continue
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{name_of(item)} for {version}: {error.message}"


def pods(objects):
    """The pods that the objects describe: the name, and the template."""
    for item in objects:
        spec = item.get("spec", {})
        # A CronJob has a template of jobs, which has that of pods.
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield name_of(item), template


def restricted_problems(objects):
    """What violates the Pod Security Standard `restricted`, or our own additions to it."""
    for name, template in pods(objects):
        spec = template["spec"]
        pod = spec.get("securityContext", {})
        for member in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(member):
                yield f"{name}: {member}"
        for volume in spec.get("volumes", []):
            if not set(volume) - {"name"} <= RESTRICTED_VOLUMES:
                yield f"{name}: the kind of volume {volume['name']}"
        for container in spec.get("initContainers", []) + spec["containers"]:
            context = {**pod, **container.get("securityContext", {})}
            if context.get("privileged") or context.get("allowPrivilegeEscalation") is not False:
                yield f"{name}: allowPrivilegeEscalation"
            if context.get("capabilities", {}).get("drop") != ["ALL"]:
                yield f"{name}: capabilities"
            if set(context.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
                yield f"{name}: added capabilities"
            if context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0:
                yield f"{name}: runAsNonRoot"
            if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
                yield f"{name}: seccompProfile"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{name}: hostPort"
            # The standard does not require these.
            if context.get("readOnlyRootFilesystem") is not True:
                yield f"{name}: readOnlyRootFilesystem"
            resources = container.get("resources", {})
            if "memory" not in resources.get("limits", {}) or "cpu" not in resources.get("requests", {}):
                yield f"{name}: resources"
        if spec.get("automountServiceAccountToken") is not False or spec.get("enableServiceLinks") is not False:
            yield f"{name}: a token of the API, or variables of services"


def matches(selector, labels):
    wanted = selector.get("matchLabels", selector)
    return bool(wanted) and wanted.items() <= labels.items()


def environment(container, objects):
    """The variables of a container."""
    variables = {}
    for source in container.get("envFrom", []):
        (settings,) = [
            item for item in objects
            if item["kind"] == "ConfigMap"
            and item["metadata"]["name"] == source["configMapRef"]["name"]
        ]
        variables.update(settings["data"])
    variables.update({entry["name"]: entry["value"] for entry in container.get("env", [])})
    return variables


def mounted_files(spec):
    """The files of the secrets, as they appear in the container."""
    sources = {}
    for volume in spec["volumes"]:
        if "secret" in volume:
            source, known = volume["secret"], SECRETS[volume["secret"]["secretName"]]
        else:
            source, known = volume["configMap"], CONFIG_MAPS[volume["configMap"]["name"]]
        sources[volume["name"]] = (source["defaultMode"], known, "secret" in volume)
    for container in spec["containers"]:
        for mount in container["volumeMounts"]:
            mode, keys, is_secret = sources[mount["name"]]
            for key in keys:
                yield f"{mount['mountPath']}/{key}", mode, is_secret


def reference_problems(objects):
    """What does not fit together."""
    templates = {name: template for name, template in pods(objects)}
    server = templates["Deployment/credential-keeper"]
    labels = server["metadata"]["labels"]
    jobs = {
        name: template["metadata"]["labels"] for name, template in templates.items()
        if name != "Deployment/credential-keeper"
    }
    for name in ("Job/credential-keeper-migrate", "CronJob/credential-keeper-audit-verify"):
        if name not in jobs:
            yield f"{name} is missing"
    ports = {port["name"] for port in server["spec"]["containers"][0]["ports"]}
    for item in objects:
        kind, spec = item["kind"], item.get("spec", {})
        name = name_of(item)
        if kind in ("Service", "Deployment", "PodDisruptionBudget") and (
            not matches(spec["selector"], labels)
            or any(matches(spec["selector"], job) for job in jobs.values())
        ):
            yield f"{name}: selects other pods than those of the server"
        if kind == "Service" and any(port["targetPort"] not in ports for port in spec["ports"]):
            yield f"{name}: a port that the server does not have"
        if kind == "ServiceMonitor" and not any(
            other["kind"] == "Service" and matches(spec["selector"], other["metadata"]["labels"])
            for other in objects
        ):
            yield f"{name}: selects no service"
        if kind == "NetworkPolicy":
            if not matches(spec["podSelector"], labels):
                yield f"{name}: does not select the server"
            for rule in spec.get("egress", []) + spec.get("ingress", []):
                for peer in rule.get("to", []) + rule.get("from", []):
                    # These pods belong to others.
                    if "app.kubernetes.io/name" in peer.get("podSelector", {}).get("matchLabels", {}):
                        yield f"{name}: our own label selects the pods of others"
    egress = [item for item in objects if item["kind"] == "NetworkPolicy" and "egress" in item["spec"]]
    for name, job in jobs.items():
        if not any(matches(item["spec"]["podSelector"], job) for item in egress):
            yield f"{name}: no policy limits the pods"
    for name, template in templates.items():
        spec = template["spec"]
        files = list(mounted_files(spec))
        for path, mode, is_secret in files:
            if is_secret and mode != 0o440:
                yield f"{name}: {path} has mode {mode:o}"
        for container in spec["containers"]:
            for variable, value in environment(container, objects).items():
                if "PASSWORD" in variable and not variable.endswith("_FILE"):
                    yield f"{name}: {variable} is a secret"
                for path in re.findall(r"/run/secrets/[\w./-]+", value):
                    if path not in [file for file, _, _ in files]:
                        yield f"{name}: {variable} names {path}, which is not mounted"
    settings = environment(server["spec"]["containers"][0], objects)
    ending = sum(int(settings[f"KEEPER__SHUTDOWN__{part}_SECONDS"]) for part in ("GRACE", "TIMEOUT"))
    # 5 s for the audit sinks, 5 s for anchors, 4 s for the activity, 5 s for the connections of the
    # database, 5 s for the collector, and 2 s for other threads.
    if server["spec"]["terminationGracePeriodSeconds"] < ending + 26:
        yield "terminationGracePeriodSeconds is shorter than the shutdown"


def settings_problems(objects, binary, folder):
    """What `config check` says about the settings of each container."""
    for name, template in pods(objects):
        for container in template["spec"]["containers"]:
            variables = environment(container, objects)
            # The job does not need a keyring, but `config check` checks what `serve` needs.
            variables.setdefault("KEEPER__KEYRING__FILE", "/run/secrets/keyring/keyring.json")
            variables = {key: value.replace("/run/secrets", str(folder)) for key, value in variables.items()}
            checked = subprocess.run(
                [binary, "config", "check"], env=variables, capture_output=True, text=True
            )
            if checked.returncode != 0:
                yield f"{name}: {checked.stdout.strip()} {checked.stderr.strip()}"


def create_secrets(objects, binary, folder):
    """Writes the files that the containers mount."""
    for path in {file for _, template in pods(objects) for file, _, _ in mounted_files(template["spec"])}:
        file = folder / Path(path).relative_to("/run/secrets")
        file.parent.mkdir(exist_ok=True)
        file.write_text("a password\n")
        file.chmod(0o400)
    (folder / "keyring/keyring.json").unlink()
    subprocess.run(
        [binary, "keys", "generate", "--file", folder / "keyring/keyring.json"], check=True, env={}
    )
    certificate, key = folder / "tls/tls.crt", folder / "tls/tls.key"
    for file in (certificate, key):
        file.unlink()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=keeper.example", "-addext", "subjectAltName=DNS:keeper.example",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    key.chmod(0o400)
    (folder / "database-ca/ca.crt").chmod(0o600)
    (folder / "database-ca/ca.crt").write_bytes(certificate.read_bytes())


def find(objects, name):
    return next(item for item in objects if name_of(item) == name)


def seeded(objects, change):
    """A copy with a defect."""
    objects = copy.deepcopy(objects)
    change(objects)
    return objects


def deployment_spec(objects):
    return find(objects, "Deployment/credential-keeper")["spec"]["template"]["spec"]


def seeded_defects(objects, binary, folder):
    """Defects that the checks do not find."""
    def unknown_member(objects):
        deployment_spec(objects)["automountToken"] = False

    def wrong_type(objects):
        deployment_spec(objects)["terminationGracePeriodSeconds"] = "60"

    def writable(objects):
        del deployment_spec(objects)["containers"][0]["securityContext"]["readOnlyRootFilesystem"]

    def root_user(objects):
        deployment_spec(objects)["securityContext"]["runAsNonRoot"] = False

    def kept_capabilities(objects):
        deployment_spec(objects)["containers"][0]["securityContext"]["capabilities"] = {}

    def host_path(objects):
        deployment_spec(objects)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})

    def readable_secret(objects):
        deployment_spec(objects)["volumes"][0]["secret"]["defaultMode"] = 0o444

    def other_port(objects):
        find(objects, "Service/credential-keeper")["spec"]["ports"][0]["targetPort"] = "http"

    def missing_label(objects):
        del find(objects, "Service/credential-keeper")["spec"]["selector"]["app.kubernetes.io/component"]

    def shared_label(objects):
        peer = find(objects, "NetworkPolicy/credential-keeper")["spec"]["egress"][0]["to"][0]
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] = "credential-keeper"

    def short_grace(objects):
        deployment_spec(objects)["terminationGracePeriodSeconds"] = 30

    def unknown_setting(objects):
        container = deployment_spec(objects)["containers"][0]
        container["env"] = [{"name": "KEEPER__HTTP__LISTENS", "value": "0.0.0.0:1"}]

    for check, defects in (
        (schema_problems, (unknown_member, wrong_type)),
        (restricted_problems, (writable, root_user, kept_capabilities, host_path)),
        (reference_problems, (readable_secret, other_port, missing_label, shared_label, short_grace)),
        (lambda objects: settings_problems(objects, binary, folder), (unknown_setting,)),
    ):
        for defect in defects:
            if not list(check(seeded(objects, defect))):
                yield f"the seeded defect {defect.__name__} was not found"


def main():
    binary = os.path.abspath(sys.argv[1])
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for kustomization in ("base", "overlays/three-replicas"):
            objects = render(MANIFESTS / kustomization)
            if not (folder / "keyring").exists():
                create_secrets(objects, binary, folder)
            found = [
                *schema_problems(objects),
                *restricted_problems(objects),
                *reference_problems(objects),
                *settings_problems(objects, binary, folder),
            ]
            problems += [f"{kustomization}: {problem}" for problem in found]
            print(f"{kustomization}: {len(objects)} objects, {len(found)} problems")
        replicas = find(objects, "Deployment/credential-keeper")["spec"]["replicas"]
        if replicas != 3:
            problems.append(f"overlays/three-replicas: {replicas} replicas")
        problems += seeded_defects(objects, binary, folder)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
