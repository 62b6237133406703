# Each target is one word. `make` alone lists them.
PYTHON ?= .venv/bin/python

help:       ## list the targets
	@grep -E '^[a-z]+:[a-z ]+##' Makefile | sed 's/:[a-z ]*## */	/'
demo:       ## set everything up, bring a cluster up and run an application in it
	./demo.sh
test:       ## all checks and all tests, real containers included
	./test.sh
clients:    ## install the clients that the tests drive: kubectl, official Python and JavaScript clients
	PYTHON=$(PYTHON) tools/clients.sh
unit: clients ## the tests that need no root
	$(PYTHON) -m pytest -m "not e2e and not torture" -n 2
torture:    ## the long versions: kill -9 rounds, soaks
	$(PYTHON) -m pytest -m torture
conformance: ## the official conformance tests that need no container, where ../shared (or CONFORMANCE) has them
	PYTHON=$(PYTHON) tools/conformance.sh
check:      ## format, lint, types, import contracts, budgets, generated code
	$(PYTHON) -m ruff format --check -q . && $(PYTHON) -m ruff check -q . && $(PYTHON) -m mypy && \
	.venv/bin/lint-imports && $(PYTHON) tools/budget.py && $(PYTHON) -m tools.gen --check
fields:     ## is every field of the served types read by somebody, or listed as without effect? half a minute
	$(PYTHON) -m tools.served_fields
format:     ## let the formatter have its way
	$(PYTHON) -m ruff format . && $(PYTHON) -m ruff check --fix .
gen:        ## write the generated code from spec/
	$(PYTHON) -m tools.gen
bench:      ## measure, with the reference's figures beside
	$(PYTHON) -m bench

.PHONY: help demo test clients unit torture conformance check fields format gen bench
