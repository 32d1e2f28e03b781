"""The mistakes and warnings found in a config, and the keys that rules must not judge."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.config.document import Document
from monitor.config.mistake import ConfigError, KeyPath, Mistake


@dataclass(slots=True)
class Findings:
    """Collects mistakes and warnings; a key with a mistake is broken, and rules that read it are skipped."""

    document: Document
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)
    _around: set[KeyPath] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.mistakes.extend(self.document.mistakes)
        for path in self.document.broken:
            self.mark_broken(path)

    def mark_broken(self, path: KeyPath) -> None:
        """Mark a key as broken, so that no rule judges it."""
        self.broken.add(path)
        self._around.update(path[:length] for length in range(1, len(path)))

    def mistake(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a mistake."""
        self.add(path, self.document.mistake(path, message, hint))

    def add(self, path: KeyPath, mistake: Mistake) -> None:
        """Add an existing mistake."""
        self.mark_broken(path)
        self.mistakes.append(mistake)

    def warning(self, path: KeyPath, message: str, hint: str = "") -> None:
        """Note a warning."""
        self.warnings.append(self.document.mistake(path, message, hint))

    def is_broken(self, path: KeyPath) -> bool:
        """Whether the key, a table around it or something in it has a mistake."""
        if not self.broken:
            return False
        return path in self._around or any(path[:length] in self.broken for length in range(1, len(path) + 1))

    def raise_if_wrong(self) -> None:
        """Raise a ConfigError if there is a mistake."""
        if self.mistakes:
            raise ConfigError(_in_order(self.mistakes), _in_order(self.warnings))

    def in_order(self) -> tuple[Mistake, ...]:
        """Return the warnings in the order of the file."""
        return _in_order(self.warnings)


def _in_order(mistakes: list[Mistake]) -> tuple[Mistake, ...]:
    """Return each once, by line; those without a line come first."""
    return tuple(sorted(dict.fromkeys(mistakes), key=lambda mistake: mistake.line or 0))
