"""Whether what a node really answers fits the schemas of its own document."""

import json
import os
import sys
from pathlib import Path

import httpx
from jsonschema import Draft202012Validator

document = json.loads(Path(sys.argv[1]).read_text())
department = os.environ["CERTMESH_DEPARTMENT"]
token = Path(os.environ["CERTMESH_TOKEN_FILE"]).read_text().strip()
node = httpx.Client(
    base_url=os.environ["CERTMESH_NODE"],
    headers={"Authorization": f"Bearer {token}"},
    timeout=30,
)
seen = set()


def check(method: str, path: str, body: object = None, query: dict | None = None, **parts: str) -> dict:
    """Asks, and holds the answer against the schema that the document has for it."""
    url = path.format(**parts)
    answer = node.request(method, url, json=body, params=query)
    described = document["paths"][path][method.lower()]["responses"][str(answer.status_code)]
    kind = answer.headers["Content-Type"]
    schema = {**described["content"][kind]["schema"], "components": document["components"]}
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    faults = [f"{fault.json_path}: {fault.message[:200]}" for fault in validator.iter_errors(answer.json())]
    assert not faults, f"{method} {url} {answer.status_code}: {faults}"
    seen.add((method, path))
    return answer.json()


holder = {"kind": "001", "code": "11330105002500287C"}
type_code = check("GET", "/v1/catalogue")["types"][0]["code"]
matter = {
    "code": "JOB-1",
    "name": "Job",
    "sub": [{"code": "01", "name": "All", "requires": [{"types": [type_code], "fields": ["ZZMC"]}]}],
}
check("POST", "/v1/matters", matter)
check("POST", "/v1/grants", {"department": department, "type": type_code, "until": "2027-12-31"})
found = check("POST", "/v1/find", {"holder": holder, "purpose": "job"})["certificates"]
first = found[0]["id"]
change = {"action": "suspend", "reason": "99", "text": "a job"}
check("POST", "/v1/certificates/{id}/status", change, id=found[-1]["id"])
for of in [first, found[-1]["id"]]:
    for part in ["", "/history", "/verification", "/fields"]:
        check("GET", "/v1/certificates/{id}" + part, id=of)
check("POST", "/v1/accept", {"matter": "JOB-1", "subject": holder})
case = {"purpose": "job", "reference": "1"}
check("POST", "/v1/accept", {"matter": "JOB-1", "subject": holder, "collect": case})
wanted = {"certificate": first, "matter": "JOB-1", "purpose": "job"}
retrieved = check("POST", "/v1/retrievals", wanted)
assert retrieved["fields"] == {"ZZMC": "Job permit"}, retrieved
check("GET", "/v1/retrievals/{retrieval}", retrieval=retrieved["retrieval"])
check("POST", "/v1/access-log", {"subject": holder})
check("POST", "/v1/access-log/local", {"limit": 10})
for path in ["status", "logs", "peers", "matters", "grants", "audit", "reports/use"]:
    check("GET", f"/v1/{path}")
check("GET", "/v1/catalogue", query={"limit": "1"})
check("GET", "/v1/logs/{department}", department=department)
check("GET", "/v1/types/{code}", code=type_code)
check("GET", "/v1/matters/{department}/{code}", department=department, code="JOB-1")
check("GET", "/ready")
# Answered with problems.
check("GET", "/v1/certificates/{id}", id="1.2.3")
check("POST", "/v1/certificates", {"holder": holder})
check("POST", "/v1/certificates/{id}/status", {"action": "explode"}, id=first)
assert len(seen) > 20, seen
