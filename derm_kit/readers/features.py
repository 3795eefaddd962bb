"""What to look for in a dermoscopic picture of each lesion type, in the field's standard terms.

Terms: Kittler et al., Journal of the American Academy of Dermatology 2016, 74, 1093 (third consensus conference of the
International Society of Dermoscopy). No list of features makes a diagnosis; the lists are for teaching.
"""

from __future__ import annotations

from derm_kit.lesions import LesionType

FEATURES = {
    LesionType.MELANOMA: "asymmetry of colour and structure, an atypical network, a blue-white veil, irregular dots or "
    "streaks, white shiny lines; in the thick ones without pigment, vessels of several shapes.",
    LesionType.SQUAMOUS_CELL_CARCINOMA: "white circles around follicles, keratin masses, surface scale or crust, and "
    "looped or coiled vessels on a white halo.",
    LesionType.BASAL_CELL_CARCINOMA: "branching vessels in focus, leaf-like areas, blue-grey ovoid nests or globules, "
    "spoke wheels, shallow ulcers; no network.",
    LesionType.INTRAEPIDERMAL_CARCINOMA: "clustered coiled (glomerular) vessels and surface scale; brown or grey dots "
    "in lines where it is pigmented.",
    LesionType.ACTINIC_KERATOSIS: "a red pseudonetwork around follicles (strawberry pattern), white to yellow scale, "
    "rough to the finger.",
    LesionType.ATYPICAL_NAEVUS: "a network or globules that are uneven, yet in one ordered pattern; several colours of "
    "brown. It can look like an early melanoma.",
    LesionType.VASCULAR_LESION: "red, blue or black lagoons with sharp edges; no network.",
    LesionType.SEBORRHOEIC_KERATOSIS: "milia-like cysts, comedo-like openings, ridges and fissures, a sharp edge, "
    "hairpin vessels with a white halo.",
    LesionType.DERMATOFIBROMA: "a central white patch with a fine, even network around it; it dimples when squeezed.",
    LesionType.SOLAR_LENTIGO: "a moth-eaten edge, fingerprint-like lines, an even light brown.",
    LesionType.BENIGN_NAEVUS: "one pattern all over (an even network, globules, or one plain colour); symmetry.",
}
