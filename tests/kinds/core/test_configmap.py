from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.kinds.core import configmap


def test_keys_are_checked():
    found = configmap.validate(ConfigMap(data={"bad key": "x"}))
    assert [e.path for e in found] == ["data[bad key]"]


def test_immutable_stays():
    old = ConfigMap(data={"a": "b"}, immutable=True)
    found = configmap.validate_update(ConfigMap(data={"a": "c"}), old)
    assert [e.path for e in found] == ["immutable", "data"]
