"""One job of a business system, done with the client that openapi-python-client generates."""

import json
import os
from io import BytesIO
from pathlib import Path

from certmesh_client import AuthenticatedClient
from certmesh_client.api.catalogue import define_type
from certmesh_client.api.certificates import (
    download_attachment,
    issue,
    issue_bulk,
    prove_certificate,
    upload_attachment,
    verify_certificate,
)
from certmesh_client.models import (
    Appended,
    FieldValues,
    Holder,
    HolderKind,
    IssueRequest,
    ProblemType,
    RowResult,
    TypeRequest,
    UploadsByName,
    Verdict,
    Verification,
)
from certmesh_client.types import File

PDF = b"%PDF-1.7\n" + bytes(range(256)) * 400
DAY = "2026-01-01"


def client() -> AuthenticatedClient:
    token = Path(os.environ["CERTMESH_TOKEN_FILE"]).read_text().strip()
    return AuthenticatedClient(base_url=os.environ["CERTMESH_NODE"], token=token)


def request(type_code: str, serial: str) -> IssueRequest:
    holder = Holder(kind=HolderKind.CREDIT_CODE, code="11330105002500287C")
    fields = FieldValues.from_dict({"ZZMC": "Job permit"})
    return IssueRequest(type_=type_code, serial=serial, holder=holder, valid_from=DAY, fields=fields)


def main() -> None:
    node = client()
    type_code = os.environ["CERTMESH_DEPARTMENT"] + "771"
    defined = define_type.sync(client=node, body=TypeRequest(code=type_code, name="Job permit"))
    assert isinstance(defined, Appended), defined

    uploaded = upload_attachment.sync(client=node, body=File(payload=BytesIO(PDF)))
    assert uploaded.media_type.value == "application/pdf" and uploaded.size == len(PDF), uploaded
    wanted = request(type_code, "PY0001")
    wanted.attachments = UploadsByName.from_dict({"permit.pdf": uploaded.upload})
    answer = issue.sync_detailed(client=node, body=wanted, idempotency_key="python-1")
    issued = answer.parsed
    assert isinstance(issued, Appended) and not issued.replayed, issued
    assert answer.headers["Location"] == f"/v1/certificates/{issued.id}"
    again = issue.sync(client=node, body=wanted, idempotency_key="python-1")
    assert again.replayed and again.position == issued.position, again

    file = download_attachment.sync(issued.id, "permit.pdf", client=node)
    assert file.payload.read() == PDF

    verdict = verify_certificate.sync(issued.id, client=node)
    assert isinstance(verdict, Verification) and verdict.verdict is Verdict.VALID, verdict
    assert verdict.certificate.position == issued.position
    proof = prove_certificate.sync(issued.id, client=node)
    assert len(proof.payload.read()) > 100

    rows = [request(type_code, f"PY100{row}") for row in range(3)]
    rows[1].valid_from = "2026-02-30"
    lines = "".join(json.dumps(row.to_dict()) + "\n" for row in rows)
    sent = issue_bulk.sync(client=node, body=File(payload=BytesIO(lines.encode())))
    results = [RowResult.from_dict(json.loads(line)) for line in sent.payload]
    assert [row.ok for row in results] == [True, False, True], results
    assert results[1].error.type_ is ProblemType.INVALID_FIELD, results[1]
    assert ".PY1002.001." in results[2].id and results[2].position.seq > issued.position.seq


main()
