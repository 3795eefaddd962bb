"""The evidence map's lists for DTAC, post-market surveillance and NICE HTE24."""

from __future__ import annotations

from derm_kit.records.evidence_map import Ask, Clause


def _dtac(number: str, topic: str, cannot: str, *places: str) -> Clause:
    return Clause(Ask.DTAC, number, topic, places, cannot)


DTAC = (
    _dtac("C1.1", "Whether the product falls under DCB0129, and supports DCB0160",
          "Decide it. derm-kit is for research and teaching and claims neither.", "docs/safety-case.md"),
    _dtac("C1.1.1", "Risk plan, clinical safety case report and hazard log are handed in",
          "Write the plan. Of the other two it makes drafts that list what is missing.",
          "derm_kit/records/safety_case.py", "derm_kit/records/hazard_log_report.py"),
    _dtac("C1.2", "The named clinical safety officer", "Be one.", "derm-kit people list"),
    _dtac("C1.3", "Whether the MHRA classifies the product as a medical device, and why",
          "Answer for your product. derm-kit is none, and must not be used as one.", "models/derm11/MODEL_CARD.md"),
)  # fmt: skip


def _mhra(number: str, topic: str, cannot: str, *places: str) -> Clause:
    return Clause(Ask.MHRA, number, topic, places, cannot)


MHRA = (
    _mhra("44ZE", "A system of post-market surveillance, proportionate to the device",
          "Be that system: it has no complaints, no literature, no users' feedback.",
          "derm_kit/records/monitoring_report.py"),
    _mhra("44ZF", "A plan of post-market surveillance", "Write it. Run lengths and sample sizes may go into it.",
          "derm_kit/surveillance/run_lengths.py"),
    _mhra("44ZG", "Preventive and corrective action", "Act on a device, or tell anybody.",
          "derm_kit/records/incidents.py", "derm-kit change rollback"),
    _mhra("44ZH", "Serious incidents are reported to the MHRA within the time set", "Report, or judge what is serious.",
          "derm_kit/records/incidents.py"),
    _mhra("44ZI", "Serious incidents are investigated, with a final report",
          "Investigate. Cases, scores and maps of the model can be looked at again.", "notebooks/02_case_review.ipynb"),
    _mhra("44ZJ and 44ZK", "Field safety corrective actions and notices", "Any of it."),
    _mhra("44ZL", "A post-market surveillance report", "Replace it. Rates and signals with sources can go into it.",
          "derm_kit/records/monitoring_report.py"),
    _mhra("44ZM", "A periodic safety update report, for higher classes", "Replace it.",
          "derm_kit/records/monitoring_report.py"),
    _mhra("44ZN", "Trend reporting: more incidents or side effects than expected",
          "Know what is statistically significant for your device class: it states how often each signal is false.",
          "derm_kit/surveillance/cusum.py", "derm_kit/surveillance/false_alarms.py"),
    _mhra("44ZQ and 44ZR", "Documents are kept, and given on request", "Keep them for the years set.",
          "derm-kit register backup", "derm-kit audit export"),
)  # fmt: skip


def _nice(number: str, topic: str, cannot: str, *places: str) -> Clause:
    return Clause(Ask.HTE24, number, topic, places, cannot)


HTE24 = (
    _nice("gap", "How accurate AI is beside well-established teledermatology alone",
          "Compare with teledermatology: its reference cases have no such readings. A reader study can be run on it.",
          "notebooks/05_teaching_session.ipynb", "derm_kit/triage/multi_reader.py", "docs/thresholds.md"),
    _nice("gap", "How accurate AI is on black or brown skin",
          "Say anything: the reference cases hold next to none. It says so, and how many would be needed.",
          "derm_kit/triage/subgroups.py", "derm_kit/records/safety_case_missing.py"),
    _nice("gap", "What AI does to urgent referrals and face-to-face appointments",
          "Measure it: it simulates, and marks every input without a source.", "notebooks/04_referral_simulation.ipynb",
          "docs/simulation.md"),
    _nice("gap", "The share of referred lesions that AI may assess",
          "Know it for your service. Exclusions and quality failures are counted in what you score.",
          "derm_kit/cases/quality.py", "derm-kit decide"),
    _nice("condition", "A professional reviews people with black or brown skin",
          "Know who they are where nobody recorded it.", "derm_kit/triage/definition.py",
          "tests/test_policy.py::test_review_cases_never_leave_by_the_model"),
    _nice("condition", "Performance is monitored", "Monitor without outcomes. See the audit sample.",
          "derm_kit/surveillance/feed.py", "derm_kit/records/monitoring_report.py"),
    _nice("condition", "Approval of the device, DTAC among it", "Any of it.", "docs/safety-case.md"),
    _nice("evidence", "Costs and outcomes for a decision", "Publish a value that nobody published.",
          "derm_kit/records/value_for_money.py", "docs/simulation.md"),
)  # fmt: skip
