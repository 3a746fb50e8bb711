"""From what the Hub says of a repository and its config.json to the facts of a model, by the rules of the catalog.

What is not said stays unknown; what contradicts itself is no model. The patterns of corrections.csv and the rules of
``llmfit catalog check`` hold as they do for the shipped models.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import msgspec

from llmfit import codes
from llmfit.catalog import records
from llmfit.catalog.catalog import Catalog, decoded
from llmfit.catalog.checks import contradiction
from llmfit.catalog.corrections import Corrections
from llmfit.catalog.own_models import OwnModel, strange
from llmfit.catalog.plausibility import RULES, Shipped
from llmfit.errors import CatalogError
from llmfit.files.as_own_model import like, own_model
from llmfit.files.config import model_of
from llmfit.files.config_file import parsed
from llmfit.files.model import FileModel
from llmfit.files.one_model_catalog import Identified, identified, with_params
from llmfit.files.recognise import CatalogIndex, Recognised
from llmfit.hub.client import Listing, Refused

TASKS = (
    "text-generation", "image-text-to-text", "any-to-any", "feature-extraction", "sentence-similarity", "text-ranking",
)  # fmt: skip
FLOATS = {"F32", "F16", "BF16", "F64"}
EXPLAINED = 1.6  # stored parameters over those that the shape counts, and the other way round
RELATION = re.compile(r"base_model:(?:(quantized|finetune|adapter|merge):)?([\w.+-]+/[\w.+-]+)")
BASE = re.compile(r"(?i)(?:^|[-_])(base|pt|pretrain(ed)?)(?:$|[-_])")
THINKS = re.compile(r"(?i)(?:^|[-_])(thinking|reasoning|reasoner|r1|qwq|think)(?:$|[-_])")
TOLD = re.compile(r"(?i)(?:^|[-_])(instruct|it|chat|sft|dpo|rlhf)(?:$|[-_])")
CODER = re.compile(r"(?i)cod(er|e)(?:$|[-_\d])")


class Cards:
    """Reads them against one catalog."""

    def __init__(self, shipped: Catalog) -> None:
        self.shipped = shipped
        self.index = CatalogIndex(shipped)
        self.put_right = Corrections(decoded(shipped.packed.corrections, list[records.Correction]))
        official = codes.ORIGINS.index("official")
        origin, provider = self.index.column("origin"), self.index.column("provider")
        owners: dict[str, Counter[str]] = {}
        for at, id in enumerate(self.index.ids):
            if origin[at] == official:
                name = shipped.packed.providers[int(provider[at])]
                owners.setdefault(id.split("/")[0].lower(), Counter())[name] += 1
        self.vendors = {owner: names.most_common(1)[0][0] for owner, names in owners.items()}
        self.ids = {id.lower(): id for id in self.index.ids}
        self.known = Shipped(shipped.packed, self.index.ids)

    def model(self, listing: Listing, config: bytes, **more: Any) -> tuple[OwnModel, tuple[str, ...]]:
        """(the model, notes); Refused with why it is none."""
        self.looked_at(listing)
        try:
            found = sized(model_of(listing.id, parsed(config)), listing)
            one = identified(self.shipped, found)
            facts = self.facts(listing, one)
            model, notes = own_model(one._replace(known=None), listing.id, **{**facts, **more})
        except (ValueError, OverflowError) as error:
            raise Refused(str(error)) from None
        self.explained(found, listing)
        return self.held(model), tuple(note for note in notes if "not recognised" not in note)

    def looked_at(self, listing: Listing) -> None:
        """Refused where the description alone says that it is no model to be listed."""
        if listing.pipeline_tag and listing.pipeline_tag not in TASKS:
            raise Refused(f"its task is {listing.pipeline_tag[:40]}, not one of {', '.join(TASKS)}")
        if base_of(listing)[0] == "adapter":
            raise Refused("it is an adapter, not a model")
        if listing.gguf is not None and listing.safetensors is None:
            raise Refused("it holds GGUF files alone: add one of them from this computer")

    def explained(self, found: FileModel, listing: Listing) -> None:
        """Refused where what is stored and what the shape counts cannot be the same model."""
        stored = listing.safetensors
        if found.facts.get("format") != "bf16" or stored is None or not stored.total or set(stored.parameters) - FLOATS:
            return
        bare = {key: value for key, value in found.facts.items() if not key.startswith("params")}
        try:
            counted = with_params(msgspec.structs.replace(found, facts=bare), self.shipped).facts["params_total"]
        except ValueError:
            return
        if not 1 / EXPLAINED < stored.total / counted < EXPLAINED:
            raise Refused(f"it stores {stored.total:,} parameters, its configuration describes {counted:,.0f}")

    def held(self, model: OwnModel) -> OwnModel:
        """The model as corrected; Refused where a rule finds that it cannot be."""
        try:
            right = self.put_right(model)
        except CatalogError as error:
            raise Refused(str(error)) from None
        if right is None:
            raise Refused("a correction of the catalog leaves it out")
        wrong = contradiction(right) or strange(right)
        if wrong:
            raise Refused(" ".join(wrong))
        for rule in RULES:
            for text in rule(right, self.known):
                raise Refused(text)
        return right

    def facts(self, listing: Listing, one: Identified) -> dict[str, Any]:
        """Who made it, from what, what it is for: a copy for what its base is."""
        owner, _, name = listing.id.rpartition("/")
        relation, base = base_of(listing)
        vendor = self.vendors.get(owner.lower())
        of_vendor = vendor is not None and (not base or base.split("/")[0].lower() == owner.lower())
        base = self.ids.get(base.lower(), base) if base else ""
        fixed = one.model.format not in ("bf16", "gguf")
        if relation == "quantized" or (fixed and base):
            origin, kind = "quantized", "quant"
        elif of_vendor:
            origin, kind, base = "official", "original", ""
        else:
            origin, kind = "community", "finetune"
        said = uses(listing, name, one.model)
        if origin == "quantized" and base.lower() in self.ids:
            known = Recognised(self.index.ids.index(base), "", True)
            its = like(one, known, listing.id)
            said = {key: its[key] for key in ("use_case", "role", "tuning", "serves", "capabilities", "nominal_size")}
        return {
            "provider": vendor or owner or "unknown", "origin": origin, "kind": kind,
            "base_id": base if base.lower() != listing.id.lower() and base else None,
            "release_date": date_of(listing.createdAt), "license": license_of(listing), **said,
        }  # fmt: skip


def sized(found: FileModel, listing: Listing) -> FileModel:
    """With the parameters that the Hub counted, where they are those of plain weights of a text model."""
    stored = listing.safetensors
    if stored is None or set(stored.parameters) - FLOATS or not stored.total:
        return found
    if found.facts.get("use_case") == "multimodal" or found.facts.get("format") != "bf16":
        return found
    total = float(stored.total)
    return msgspec.structs.replace(found, facts=found.facts | {"params_text": total, "params_total": total})


def base_of(listing: Listing) -> tuple[str, str]:
    """(how it was made from its base, the base), as the tags say; empty where they do not."""
    found = [match for tag in listing.tags[:500] if (match := RELATION.fullmatch(tag[:300]))]
    typed = [match for match in found if match[1]]
    best = next(iter(typed or found), None)
    return (best[1] or "", best[2]) if best else ("", "")


def license_of(listing: Listing) -> str | None:
    """The uploader's tag, where it is one."""
    said = (listing.cardData or {}).get("license")
    tags = [tag[8:] for tag in listing.tags[:500] if tag.startswith("license:")]
    for each in (said, *tags):
        if isinstance(each, str) and re.fullmatch(r"[\w.+,-]{1,60}", each):
            return each.lower()
    return None


def date_of(created: str | None) -> str | None:
    """The day on which the repository was made; 2022-03-02 stands for all that are older than that count."""
    day = (created or "")[:10]
    return day if re.fullmatch(r"20[12]\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", day) and day != "2022-03-02" else None


def uses(listing: Listing, name: str, model: records.Model) -> dict[str, Any]:
    """What it is for: role, tuning, use case, what it serves and what it can do."""
    tags, task = set(listing.tags[:500]), listing.pipeline_tag or ""
    if model.role == "embedding" or task in ("feature-extraction", "sentence-similarity"):
        said = {"use_case": "embedding", "role": "embedding", "tuning": "unknown"}
        return {**said, "serves": ["embedding"], "capabilities": ["embedding"]}
    if task == "text-ranking":
        said = {"use_case": "embedding", "role": "reranker", "tuning": "unknown"}
        return {**said, "serves": [], "capabilities": ["embedding", "rerank"]}
    vision = "vision" in model.capabilities or task in ("image-text-to-text", "any-to-any")
    thinks = bool(THINKS.search(name)) or "reasoning" in tags or "thinking" in tags
    capabilities = ["vision"] * vision + ["tool_use"] * bool(tags & {"tool-use", "function-calling", "tool_use"})
    capabilities += ["reasoning"] * thinks
    if BASE.search(name):
        return {"use_case": "multimodal" if vision else "general", "role": "generator", "tuning": "base",
                "serves": ["general"], "capabilities": ["vision"] * vision}  # fmt: skip
    told = TOLD.search(name) or "conversational" in tags
    tuning = "reasoning" if THINKS.search(name) else "instruct" if told else "unknown"
    coder = bool(CODER.search(name))
    use_case = "coding" if coder else "multimodal" if vision else "reasoning" if tuning == "reasoning" else "general"
    serves = ["general"]
    if tuning != "unknown":
        serves += [] if coder else ["chat"]
        serves += ["coding"] if coder or not vision else []
    serves += ["reasoning"] * thinks + ["multimodal"] * vision
    return {"use_case": use_case, "role": "generator", "tuning": tuning, "serves": serves, "capabilities": capabilities}
