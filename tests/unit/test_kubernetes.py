"""The manifests for Kubernetes: their shape, and that they start commands that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from zvirka.cli.app import app
from zvirka.errors import ExitCode

HOME = Path(__file__).parents[2] / "config/kubernetes"
MANIFESTS = [
    (file.name, document)
    for file in sorted(HOME.glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text("utf-8"))
]
STRICT = {"additionalProperties": False}
STRING, NUMBER = {"type": "string"}, {"type": "integer"}
CONTAINER: dict[str, Any] = {
    "type": "object",
    "required": ["name", "image", "args"],
    "properties": {
        "name": STRING,
        "image": STRING,
        "args": {"type": "array", "items": STRING},
        "envFrom": {"type": "array", "items": {"type": "object"}},
        "resources": {"type": "object"},
        "volumeMounts": {"type": "array", "items": {"required": ["name", "mountPath"]}},
    },
    **STRICT,
}
POD: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "required": ["containers"],
            "properties": {
                "containers": {"type": "array", "items": CONTAINER},
                "restartPolicy": {"enum": ["Never"]},
                "securityContext": {"type": "object"},
                "terminationGracePeriodSeconds": NUMBER,
                "volumes": {"type": "array", "items": {"required": ["name"]}},
            },
            **STRICT,
        },
    },
    **STRICT,
}
DEPLOYMENT = {
    "required": ["replicas", "selector", "template"],
    "properties": {
        "replicas": NUMBER,
        "selector": {"required": ["matchLabels"]},
        "strategy": {"type": "object"},
        "template": POD,
    },
    **STRICT,
}
CRON_JOB = {
    "required": ["schedule", "jobTemplate"],
    "properties": {
        "schedule": {"type": "string", "pattern": r"^\S+ \S+ \S+ \S+ \S+$"},
        "timeZone": STRING,
        "concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
        "startingDeadlineSeconds": NUMBER,
        "jobTemplate": {
            "properties": {
                "spec": {
                    "required": ["template"],
                    "properties": {
                        "backoffLimit": NUMBER,
                        "activeDeadlineSeconds": NUMBER,
                        "podFailurePolicy": {"required": ["rules"]},
                        "template": POD,
                    },
                    **STRICT,
                }
            }
        },
    },
    **STRICT,
}
SPECS = {("apps/v1", "Deployment"): DEPLOYMENT, ("batch/v1", "CronJob"): CRON_JOB}
"""The parts of the API that the manifests use, as its reference has them; no cluster is asked."""


@pytest.mark.parametrize(("name", "manifest"), MANIFESTS)
def test_a_manifest_has_the_shape_of_its_kind(name: str, manifest: dict[str, Any]) -> None:
    jsonschema.validate(manifest["spec"], SPECS[manifest["apiVersion"], manifest["kind"]])


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    template: dict[str, Any] = (spec.get("jobTemplate", {}).get("spec") or spec)["template"]
    return template


@pytest.mark.parametrize(("name", "manifest"), MANIFESTS)
def test_it_starts_a_command_that_exists_and_mounts_what_there_is(
    name: str, manifest: dict[str, Any]
) -> None:
    template = pod(manifest)
    if manifest["kind"] == "Deployment":
        assert template["metadata"]["labels"] == manifest["spec"]["selector"]["matchLabels"]
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    (container,) = template["spec"]["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    command: Any = get_command(app)
    found = command.commands[container["args"][0]]
    found.make_parser(found.make_context("x", [], resilient_parsing=True)).parse_args(
        args=container["args"][1:]
    )


def test_a_run_that_waits_for_a_person_is_not_tried_again() -> None:
    ((_, job),) = [one for one in MANIFESTS if one[1]["kind"] == "CronJob"]
    (rule,) = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"]["values"] == sorted(
        [ExitCode.DIFFERENCES, ExitCode.HELD, ExitCode.USAGE]
    )
    assert pod(job)["spec"]["restartPolicy"] == "Never", "a policy of failures needs it"
