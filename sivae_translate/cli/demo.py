"""The demo: draw cars, train on them, translate pairs of unseen cars, and measure the translations."""

from __future__ import annotations

from pathlib import Path

from sivae_translate.datasets.cars import write_set
from sivae_translate.errors import UsageError
from sivae_translate.evaluation.report import evaluate
from sivae_translate.evaluation.tables import summaries
from sivae_translate.inference.translator import Translator
from sivae_translate.progress import Display, Silent
from sivae_translate.training.report import show_evaluation
from sivae_translate.training.run import train

CARS, UNSEEN, SIZE = 120, 12, 32


def run_demo(out: Path, *, device: str = "auto", display: Display | None = None) -> dict[str, object]:
    """Draw cars, train the recipe `tiny` on them, and translate pairs of unseen cars.

    Args:
        out: receives `cars/`, `run/` and `translations/` (pictures and `report.json`). An earlier demo is resumed.

    Returns:
        The report of `evaluate` on the unseen pairs.
    """
    display = display or Silent()
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: expected a folder for the demo; choose another with --out")
    cars = out / "cars"
    if not cars.exists():
        write_set(
            cars,
            cars=CARS,
            unseen=UNSEEN,
            size=SIZE,
            progress=lambda done, total: display.step(done / total, f"drawing {done:,} of {total:,} cars"),
        )
    model = train(cars / "train", "tiny", out / "run", device=device, display=display)
    translator = Translator.from_pretrained(model, device=device)
    pairs, translations = cars / "pairs_unseen.csv", out / "translations"
    report = evaluate(translator, pairs=pairs, root=cars, out=translations, name=str(model), display=display)
    show_evaluation(out / "run", translations / "index.html", summaries(report))
    return report
