"""The names of diagnoses that the field uses, and the lesion types that each leaves open.

Sources: the hierarchy and the flat old names of the ISIC Archive (package isic-metadata); the codes of HAM10000
(Tschandl 2018, doi:10.1038/sdata.2018.161), of the ISIC challenges 2016 to 2019 and of MILK10k
(challenge.isic-archive.com/landing/milk10k). Keratoacanthoma counts as squamous cell carcinoma and lichen-planus-like
keratosis as the benign keratosis group, as in NHS practice. HAM10000 and MILK10k count haemorrhage among the vascular
lesions, so that the hierarchy's haemorrhages are vascular lesions here too.
"""

from __future__ import annotations

from typing import Final

from derm_kit.lesions import LESION_TYPES, LesionType

_MEL, _SCC, _BCC, _IEC, _AK, _ATYPICAL, _VASC, _SK, _DF, _SL, _NAEVUS = LESION_TYPES
OUTSIDE: Final = None
"""Stands, among the lesion types that a name leaves open, for everything that none of the eleven expresses."""

SUBTREES: Final[dict[tuple[LesionType, ...], tuple[str, ...]]] = {
    (_MEL,): ("Malignant melanocytic proliferations (Melanoma)",),
    (_SCC,): (
        "Keratoacanthoma",
        "Squamous cell carcinoma, Invasive",
        "Squamous cell carcinoma, NOS",
        "Verrucous carcinoma",
    ),
    (_SCC, _BCC): ("Baso-squamous carcinoma",),
    (_BCC,): ("Basal cell carcinoma",),
    (_IEC,): ("Bowenoid papulosis", "Squamous cell carcinoma in situ"),
    (_AK,): ("Solar or actinic cheilitis", "Solar or actinic keratosis"),
    (_ATYPICAL,): ("Nevus, Atypical, Dysplastic, or Clark",),
    (_VASC,): ("Benign soft tissue proliferations - Vascular", "Hemorrhagic lesions"),
    (_SK,): ("Melanoacanthoma", "Seborrheic keratosis"),
    (_SK, _SL): ("Lichen planus like keratosis", "Pigmented benign keratosis"),
    (_DF,): ("Dermatofibroma",),
    (_SL,): ("Solar lentigo",),
    (_NAEVUS,): ("Nevus", "Proliferative nodule in congenital melanocytic nevi without atypia"),
}
"""Subtrees of ISIC's hierarchy by their last part; the nearest one above a diagnosis decides."""

UNSPECIFIED: Final = "Nevus"
"""The one group that does not leave open what its members do: with no further word it is a benign naevus."""

OUT_OF_SCOPE: Final[dict[str, tuple[str, ...]]] = {
    "metastasis of another cancer": ("Skin metastasis of internal solid cancer - non-hematological",),
    "Merkel cell carcinoma": ("Merkel cell proliferation",),
    "lymphoma": ("Lymphocytic proliferations - B-Cell", "Lymphocytic proliferations - T-Cell/NK"),
    "malignant adnexal tumour": (
        "Malignant adnexal epithelial proliferations - Apocrine or Eccrine",
        "Malignant adnexal epithelial proliferations - Sebaceous",
        "Matrical or pilomatrical carcinoma",
        "Proliferating trichilemmal carcinoma",
    ),
    "sarcoma or other malignant soft tissue tumour": (
        "Malignant soft tissue proliferations - Adipocytic",
        "Malignant soft tissue proliferations - Cartilagenous and ossifying",
        "Malignant soft tissue proliferations - Fibro-histiocytic",
        "Malignant soft tissue proliferations - Muscle tissue or myofibroblastic",
        "Malignant soft tissue proliferations - Myoepithelial",
        "Malignant soft tissue proliferations - Neural",
        "Malignant soft tissue proliferations - Unknown or other histiogenesis",
        "Malignant soft tissue proliferations - Vascular",
    ),
    "more than one lesion": (
        "Collision - At least one malignant proliferation",
        "Collision - Only benign proliferations",
    ),
    "melanocytic of uncertain malignant potential": (
        "Indeterminate melanocytic proliferations",
        "Lentiginous melanocytic proliferation",
        "Pigmented epithelioid melanocytoma",
    ),
    "flat pigmentation other than solar lentigo": (
        "Dermal melanocytosis",
        "Flat melanotic pigmentations - not melanocytic nevus",
        "Lentigo simplex",
    ),
    "benign epidermal, other": (
        "Acantholytic acanthoma",
        "Clear cell acanthoma",
        "Epidermal nevus",
        "Epidermolytic acanthoma",
        "Large cell acanthoma",
        "Porokeratosis",
    ),
    "benign adnexal tumour or cyst": (
        "Benign adnexal epithelial proliferations - Apocrine or Eccrine",
        "Benign adnexal epithelial proliferations - Follicular",
        "Benign adnexal epithelial proliferations - Sebaceous",
        "Cysts",
    ),
    "benign soft tissue, other": (
        "Angiofibroma",
        "Benign soft tissue proliferations - Adipocytic",
        "Benign soft tissue proliferations - Cartilagenous and ossifying",
        "Benign soft tissue proliferations - Muscle tissue or myofibroblastic",
        "Benign soft tissue proliferations - Myoepithelial",
        "Benign soft tissue proliferations - Neural",
        "Cutaneous Myxoma",
        "Fibroepithelial polyp",
        "Fibroma",
        "Giant cell tumor of the tendon sheath",
        "Juvenile xanthogranuloma",
        "Non-Langerhans histiocytosis",
        "Reticulohistiocytosis",
        "Rosai-Dorfman disease",
        "Scar",
    ),
    "in the vascular group, but no growth or malformation of vessels": (
        "Acroangiodermatitis of Mali",
        "Glomangiomyoma",
        "Glomus tumor",
        "Nevus anemicus",
    ),
    "inflammation, infection, foreign material": ("Exogenous", "Inflammatory or infectious diseases"),
    "mast cell or Langerhans cell disease": ("Langerhans cell proliferations", "Mast cell proliferations"),
    "benign, not named": ("Benign - Other",),
}
"""Subtrees of ISIC's hierarchy, by their last part, that none of the eleven lesion types expresses; by reason."""

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "Malignant melanocytic proliferations (Melanoma)": ("melanoma", "mel", "malignant melanoma"),
    "Melanoma in situ, Lentigo maligna type": ("lentigo maligna",),
    "Basal cell carcinoma": ("bcc",),
    "Squamous cell carcinoma in situ": ("scc in situ",),
    "Squamous cell carcinoma in situ, Bowens disease": ("Bowen's disease", "Bowen disease", "Bowen"),
    "Solar or actinic keratosis": ("actinic keratosis", "solar keratosis", "ak"),
    "Hemangioma": ("angioma",),
    "Hemangioma, Cherry": ("cherry angioma",),
    "Seborrheic keratosis": ("sk",),
    "Lichen planus like keratosis": ("lichenoid keratosis",),
    "Dermatofibroma": ("df",),
    "Nevus": ("nv", "melanocytic nevus", "melanocytic nevi"),
    "Atypical intraepithelial melanocytic proliferation": ("AIMP",),
    "Indeterminate melanocytic proliferations": ("atypical melanocytic proliferation",),
    "Cafe au lait macule or patch": ("cafe-au-lait macule",),
    "Mucosal melanotic macule": ("mucosal melanosis",),
    "Fibroepithelial polyp": ("acrochordon", "skin tag"),
    "Angiofibroma": ("angiofibroma or fibrous papule",),
}
"""Other names of a part of ISIC's hierarchy."""

NAMES: Final[dict[tuple[LesionType | None, ...], tuple[str, ...]]] = {
    (_SCC,): (_SCC, "scc", "SCCKA", "squamous cell carcinoma / keratoacanthoma"),
    (_IEC,): (_IEC, "intraepithelial carcinoma", "Intraepithelial carcinoma / Bowen's disease"),
    (_IEC, _AK): (
        "akiec",
        "Actinic keratosis / intraepidermal carcinoma",
        "Actinic keratosis / intraepithelial carcinoma",
        "Actinic keratoses and intraepithelial carcinoma / Bowen's disease",
        "Actinic keratosis / Bowen's disease",
        "Actinic keratosis / Bowen's disease (intraepithelial carcinoma)",
    ),
    (_VASC,): (_VASC, "vasc", "vascular", "vascular lesions", "Vascular lesions and hemorrhage"),
    (_SK, _SL): (
        "bkl",
        "benign keratosis",
        "benign keratosis-like lesions",
        "Benign keratinocytic lesion",
        "Benign keratosis (solar lentigo / seborrheic keratosis / lichen planus-like keratosis)",
    ),
    (_SK, _NAEVUS): ("nevus or seborrheic keratosis",),
    (_NAEVUS,): (_NAEVUS,),
    (OUTSIDE,): (
        "INF",
        "Inflammatory and infectious conditions",
        "BEN_OTH",
        "Other benign proliferations, including collision tumors",
        "MAL_OTH",
        "Other malignant proliferations, including collision tumors",
        "UNK",
        "adnexal tumor",
        "other",
    ),
    (*LESION_TYPES, OUTSIDE): ("unknown",),
}
"""Names that are no single part of the hierarchy, by what they leave open."""
