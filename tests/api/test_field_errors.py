from pilothouse.api import field_errors as fe
from pilothouse.api.types.rbac.v1 import RoleRef


def test_messages():
    assert fe.required("a").message == "Required value"
    assert fe.invalid("a", 'x"y', "bad").message == 'Invalid value: "x\\"y": bad'
    assert fe.invalid("a", None, "bad").message == "Invalid value: null: bad"
    assert fe.not_supported("a", "x", ["b", "c"]).message == 'Unsupported value: "x": supported values: "b", "c"'
    assert fe.too_long("a", 63).message == "Too long: may not be more than 63 bytes"
    assert fe.too_many("a", 5, 1).message == "Too many: 5: must have at most 1 item"
    assert fe.duplicate("a", 5).message == "Duplicate value: 5"


def test_internal_structs_are_told_with_go_names():
    ref = RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="q")
    assert fe.invalid("roleRef", ref, "x").message == (
        'Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"q"}: x'
    )


def test_status_lists_each_text_once():
    error = fe.as_status("apps", "Deployment", "d", [fe.required("a"), fe.required("a"), fe.forbidden("b", "no")])
    assert error.status.message == 'Deployment.apps "d" is invalid: [a: Required value, b: Forbidden: no]'
    assert len(error.status.details.causes) == 3
