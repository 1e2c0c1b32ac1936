"""The Serve config of deploy/ is one that Serve takes, for the deployment that there is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._common.utils import import_attr
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema

from realtime.cluster import application
from realtime.cluster.autoscaling import ByConversations

CONFIG = Path(__file__).parents[2] / "deploy" / "ray" / "serve.yaml"


@pytest.fixture
def wanted() -> dict[str, Any]:
    return dict(yaml.safe_load(CONFIG.read_text(encoding="utf-8")))


def test_serve_takes_it(wanted: dict[str, Any]) -> None:
    [antiphon] = ServeDeploySchema.model_validate(wanted).applications
    assert import_attr(antiphon.import_path) is application.build
    application.Arguments.model_validate(antiphon.args)
    [agents] = antiphon.deployments
    assert agents.name == application.AgentReplica.name  # type: ignore[attr-defined]  # the decorator's


def test_its_policy_is_ours_and_can_be_made(wanted: dict[str, Any]) -> None:
    autoscaling = wanted["applications"][0]["deployments"][0]["autoscaling_config"]
    policy = AutoscalingConfig(**autoscaling).policy
    made = import_attr(policy.policy_function)(**policy.policy_kwargs)
    assert isinstance(made, ByConversations)
