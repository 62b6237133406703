from pilothouse.api.scheme import resource_of
from pilothouse.api.types.resources import SERVED
from pilothouse.kinds.registry import strategies

UNSTORED = {"Binding", "ComponentStatus", "SelfSubjectReview", "TokenReview", "LocalSubjectAccessReview"}
UNSTORED |= {"SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"}


def test_every_served_kind_has_one_strategy():
    found = [(r.api_version, r.kind) for s in strategies() for r in [resource_of(s.type)]]
    found += [(version, resource_of(form.type).kind) for s in strategies() for version, form in s.versions.items()]
    assert sorted(found) == sorted((r.api_version, r.kind) for r in SERVED if r.kind not in UNSTORED)


def test_prefixes_are_distinct_and_fields_readable():
    all_of_them = strategies()
    assert len({s.prefix for s in all_of_them}) == len(all_of_them)
    for strategy in all_of_them:
        empty = strategy.type()
        assert all(isinstance(read(empty), str) for read in strategy.fields.values()), strategy.type
        strategy.defaults(empty)
        strategy.validate(empty)
