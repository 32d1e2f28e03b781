"""docs/cost.md: its figures are what the monitor computes."""

from __future__ import annotations

from pathlib import Path

from monitor.config import load
from monitor.config.plan import cost_of

PAGE = (Path(__file__).parents[1] / "docs" / "cost.md").read_text()
TARGET = """
[[targets]]
name = "a"
protocol = "openai-chat"
url = "http://127.0.0.1:8000/v1/chat/completions"
"""


def test_the_figures_of_the_page_are_computed(tmp_path: Path) -> None:
    """Requests and output tokens a day, by default and with the light preset."""
    file = tmp_path / "config.toml"
    file.write_text(TARGET + TARGET.replace('"a"', '"b"') + 'preset = "light"\n')
    plain, light = (cost_of(target) for target in load(file, {}).targets)
    tokens = plain.requests_per_day * plain.output_tokens
    assert f"{plain.requests_per_day:,.0f} requests and at most {tokens:,.0f} output tokens" in PAGE
    assert f"{light.requests_per_day:,.0f} probes a day" in PAGE
    assert f"at most {light.requests_per_day * light.output_tokens:,.0f} output tokens" in PAGE
