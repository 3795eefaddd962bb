"""What a hostile template is filled with."""

from __future__ import annotations

from derm_kit.records.document_template import Given, Missing
from derm_kit.records.provenance import CODE, Figure, Source, share
from derm_kit.records.report_tables import table

GIVEN = Given(
    {
        "caught": Figure("melanomas caught", share(193, 228), ("scores", CODE)),
        "rows": tuple({"name": f"<script>alert({i})</script>", "n": i} for i in range(200)),
        "none": None,
        "words": "some words",
    },
    {"table": table("A table", ("what", "n"), [("<img src=x onerror=alert(1)>", 7)], ("scores",))},
    (Missing("A signature", "nobody answers", "sign"),),
    (Source("scores", "some scores", (("SHA-256", "ab" * 32),)),),
)
