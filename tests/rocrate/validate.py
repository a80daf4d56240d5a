"""Validates the RO-Crate in a folder for the profiles ro-crate-1.1 and process-run-crate, at REQUIRED severity.

The context of RO-Crate 1.1, which the validator fetches, is taken from the package rocrate 0.10 (PyPI), which carries it,
so that no network is needed.
"""
import importlib.util
import json
import pathlib
import sys

from rocrate_validator import models, services
from rocrate_validator.utils import http

ADDRESS = "https://w3id.org/ro/crate/1.1/context"
FOLDER = importlib.util.find_spec("rocrate").submodule_search_locations[0]
CONTEXT = (pathlib.Path(FOLDER) / "data" / "ro-crate.jsonld").read_text()
assert json.loads(CONTEXT)["@id"] == ADDRESS


class Answer:
    status_code, ok, from_cache, text = 200, True, True, CONTEXT
    content, headers = CONTEXT.encode(), {"Content-Type": "application/ld+json"}

    def json(self):
        return json.loads(self.text)

    def raise_for_status(self):
        pass


ask = http.HttpRequester.__getattr__


def ask_here(self, name):
    def call(url, **more):
        return Answer() if url.rstrip("/") == ADDRESS else ask(self, name)(url, **more)

    return call if name in ("get", "head") else ask(self, name)


http.HttpRequester.__getattr__ = ask_here
valid = True
for profile in ("ro-crate-1.1", "process-run-crate"):
    wanted = services.ValidationSettings(
        rocrate_uri=sys.argv[1],
        profile_identifier=profile,
        requirement_severity=models.Severity[sys.argv[2] if len(sys.argv) > 2 else "REQUIRED"],
    )
    result = services.validate(wanted)
    valid = valid and not result.has_issues()
    print(profile, "INVALID" if result.has_issues() else "valid")
    for issue in result.get_issues():
        print("  ", issue.severity.name, issue.check.identifier, issue.message)
sys.exit(0 if valid else 1)
