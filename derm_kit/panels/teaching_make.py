"""The form that makes a teaching session: what stands in it stays until a session was made of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import ipywidgets as w

from derm_kit.cases.pictures import picture_of
from derm_kit.errors import DermKitError
from derm_kit.model.card import default_model, load_card
from derm_kit.model.run import ScoreRun
from derm_kit.panels.fetching import FetchPart
from derm_kit.panels.parts import Panel, guarded, named_box, notice_html
from derm_kit.panels.teaching_desk import TeachingDesk
from derm_kit.panels.teaching_words import CONSENT, MODES
from derm_kit.panels.tuning_words import counted
from derm_kit.records import teaching
from derm_kit.records.teaching import TeachingSession
from derm_kit.records.teaching_steps import Mode
from derm_kit.triage.opening import policy_for
from derm_kit.triage.policy import TriagePolicy
from derm_kit.triage.teaching_list import PicturesMissingError, TeachingList, draw_list, phantom_list

PHANTOMS, AT_HAND, EVERY = LISTS = ("phantoms", "at hand", "every")
LIST_WORDS = {
    PHANTOMS: ("Phantoms, for a dry run", "Drawn test pictures, marked as such: they try out the room, the phones and "
               "the network. Nobody learns dermoscopy from them."),
    AT_HAND: ("Real cases whose pictures are on this machine", "Real lesions with known truth. The model’s errors in "
              "the list are errors that it makes; none is made up."),
    EVERY: ("Real cases, pictures fetched where they are missing", "Drawn from all of the cases that were scored. "
            "Pictures that are not here are named, and fetched only when you ask for it."),
}  # fmt: skip
ONLY_HERE = (
    "Only cases whose pictures are on this machine were counted. To draw from all of them choose: "
    f"{LIST_WORDS[EVERY][0]}."
)
CASES, WRONG = 8, 2
HIGHEST_FIRST_SEED = 9_999


class MakePart(Panel):
    """Makes a session for the person at the desk; `policy` gives what decides, `then` is told of the new session."""

    def __init__(
        self,
        desk: TeachingDesk,
        run: ScoreRun,
        policy: Callable[[], TriagePolicy],
        then: Callable[[TeachingSession], None],
    ) -> None:
        super().__init__()
        self._desk, self._run, self._policy, self._then = desk, run, policy, then
        self._missing: tuple[str, ...] = ()
        self.title = w.Text(description="Title", placeholder="for example: Skin lesions, Tuesday lunch")
        self.mode = w.Dropdown(options=[(words[0], mode) for mode, words in MODES.items()], description="How it runs")
        self.which = w.Dropdown(options=[(LIST_WORDS[one][0], one) for one in LISTS], description="Cases")
        self.n = w.Text(value=str(CASES), description="How many cases")
        self.wrong = w.Text(value=str(WRONG), description="Of these, the model is wrong on")
        self.seed = w.Text(description="Seed: the same one draws the same list")
        self.seconds = w.Text(description="Seconds a case (empty: no limit)")
        self.consent = w.Textarea(value=CONSENT, description="What readers agree to")
        self.mode_words, self.which_words = w.HTML(), w.HTML()
        self.make_button = w.Button(description="Make the session")
        self.fetch = FetchPart(wanted=lambda: self._missing, words=self._missing_html, then=self._on_fetched)
        self.fetch.view.layout.display = "none"
        self.mode.observe(lambda _: self._explain(), "value")
        self.which.observe(lambda _: self._explain(), "value")
        self.make_button.on_click(lambda _: self.make())
        self.view = named_box(
            "dk-make", self.title, self.mode, self.mode_words, self.which, self.which_words,
            named_box("dk-make-numbers", self.n, self.wrong, self.seed, self.seconds),
            self.consent, self.make_button, self.notice, self.fetch.view,
        )  # fmt: skip
        self._explain()
        self._draw_seed()

    @guarded
    def make(self) -> None:
        """Draw the list and store the session; where that is refused, what stands in the form stays."""
        self.notice.value, self.fetch.view.layout.display = "", "none"
        leader, seed = self._desk.leader, _whole("the seed", self.seed.value)
        seconds = _whole("the seconds for a case", self.seconds.value) if self.seconds.value.strip() else None
        try:
            cases = self._list(seed)
        except PicturesMissingError as missing:
            self._offer_to_fetch(missing)
            return
        except DermKitError as error:
            more = (ONLY_HERE,) if self.which.value == AT_HAND else ()
            self.notice.value = notice_html("error", str(error), *more)
            return
        session = teaching.make(
            self._desk.register, leader.id, self.title.value, cases, Mode(self.mode.value), seed,
            consent=self.consent.value, seconds_a_case=seconds,
        )  # fmt: skip
        self.title.value = ""
        self._draw_seed()
        self._then(session)

    def _list(self, seed: int) -> TeachingList:
        n, wrong = _whole("the number of cases", self.n.value), _whole("the number of errors", self.wrong.value)
        if self.which.value == PHANTOMS:
            return phantom_list(n, wrong, seed, self._of_phantoms())
        policy = policy_for(self._run, self._policy())
        return draw_list(self._run, policy, n, wrong, seed, only_at_hand=self.which.value == AT_HAND)

    def _of_phantoms(self) -> TriagePolicy | None:
        """The policy in force, where it is one of the shipped model, which scored the phantoms; else its default."""
        policy = self._policy()
        return policy if policy.model_hash == load_card(default_model()).model_hash else None

    def _offer_to_fetch(self, missing: PicturesMissingError) -> None:
        self._missing = missing.case_ids
        self.fetch.words.value = self._missing_html()
        self.fetch.notice.value = ""
        self.fetch.view.layout.display = ""
        self.notice.value = notice_html(
            "warning", "The session was not made yet: pictures of its list are not on this machine.",
            "Fetch them below, then press the button again: the same seed draws the same list. Or choose other cases.",
        )  # fmt: skip

    def _missing_html(self) -> str:
        left = sum(picture_of(case) is None for case in self._missing)
        lacking = counted(left, "picture of this list is", "pictures of this list are")
        return f"<p>{lacking} missing. They come from the ISIC Archive, over the internet.</p>"

    def _on_fetched(self) -> None:
        if all(picture_of(case) for case in self._missing):
            self.notice.value = notice_html("success", "Every picture of the list is here: make the session now.")

    def _explain(self) -> None:
        self.mode_words.value = f"<p class='dk-hint'>{MODES[self.mode.value][1]}</p>"
        self.which_words.value = f"<p class='dk-hint'>{LIST_WORDS[self.which.value][1]}</p>"

    def _draw_seed(self) -> None:
        """Another list for another session."""
        self.seed.value = str(secrets.randbelow(HIGHEST_FIRST_SEED) + 1)


def _whole(what: str, text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise DermKitError(
            f"{what} is a whole number", value=text, next_step="Nothing was stored. Write it in digits."
        ) from None
