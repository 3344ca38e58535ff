"""Completion scripts for bash, zsh and fish: commands, options, their choices, and job ids."""

from __future__ import annotations

import shlex
from argparse import SUPPRESS, Action, Namespace
from collections.abc import Mapping, Sequence

from shipkit.carriers.registry import names
from shipkit.cli.commands import COMMANDS, actions_of
from shipkit.cli.console import Console, End
from shipkit.errors import SettingsError
from shipkit.settings import Settings

__all__ = ["completion"]

_JOB_COMMANDS = ("show", "labels", "void", "write-back", "resume")


def completion(args: Namespace, console: Console) -> End:
    """Print the completion script of a shell."""
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]()
    console.say(script)
    console.record("completion", shell=args.shell, script=script)
    return End()


_BASH = """\
# shipkit completion for bash; add to ~/.bashrc:  eval "$(shipkit completion bash)"
_shipkit() {
  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
  local command="${COMP_WORDS[1]}" words="" jobs="@JOBS@"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$current")); return
  fi
  case "$before" in
@CHOICES@
  esac
  if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); return; fi
  case "$command" in
@OPTIONS@
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")); return ;;
  esac
  case "$command" in
    @JOB_COMMANDS@)
      if [ "$COMP_CWORD" -eq 2 ]; then
        words="$(command ls "$jobs" 2>/dev/null | grep '^job-')"
        COMPREPLY=($(compgen -W "$words" -- "$current"))
      fi ;;
  esac
}
complete -o default -F _shipkit shipkit"""

_ZSH = """\
# shipkit completion for zsh; add to ~/.zshrc:  eval "$(shipkit completion zsh)"
autoload -U +X bashcompinit && bashcompinit
"""


def _bash() -> str:
    values = {
        "JOBS": f"${{SHIPKIT_HOME:-{_usual_home()}}}/jobs",
        "COMMANDS": " ".join(COMMANDS),
        "CHOICES": _cases(_choices()),
        "OPTIONS": _cases({name: _option_names(name) for name in COMMANDS}),
        "JOB_COMMANDS": "|".join(_JOB_COMMANDS),
    }
    script = _BASH
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    return script


def _usual_home() -> str:
    """Return where jobs are without a setting; empty for a user without a folder."""
    try:
        return str(Settings.read({}).home)
    except SettingsError:
        return ""


def _cases(words: Mapping[str, Sequence[str]]) -> str:
    return "\n".join(f'    {name}) words="{" ".join(found)}" ;;' for name, found in words.items())


def _zsh() -> str:
    return _ZSH + _bash()


def _fish() -> str:
    lines = ["# shipkit completion for fish; save as ~/.config/fish/completions/shipkit.fish"]
    for name, command in COMMANDS.items():
        lines.append(
            "complete -c shipkit -n __fish_use_subcommand -f "
            f"-a {name} -d {shlex.quote(command.summary)}"
        )
        lines += [_fish_option(name, action) for action in _options(name)]
    home = f"(set -q SHIPKIT_HOME; and echo $SHIPKIT_HOME; or echo {_usual_home()})"
    jobs = f"(command ls {home}/jobs 2>/dev/null | string match 'job-*')"
    lines.append(
        f"complete -c shipkit -n '__fish_seen_subcommand_from {' '.join(_JOB_COMMANDS)}' "
        f"-f -a {shlex.quote(jobs)}"
    )
    return "\n".join(lines)


def _fish_option(command: str, action: Action) -> str:
    if action.choices:
        values = f" -x -a {shlex.quote(' '.join(map(str, action.choices)))}"
    else:
        values = " -r" if action.nargs != 0 else ""
    return (
        f"complete -c shipkit -n '__fish_seen_subcommand_from {command}' "
        f"-l {_long(action)[2:]} -d {shlex.quote(action.help or '')}{values}"
    )


def _choices() -> dict[str, list[str]]:
    """Return option to possible values, over all commands."""
    found = {
        option: [str(choice) for choice in action.choices]
        for name in COMMANDS
        for action in _options(name)
        if action.choices
        for option in action.option_strings
    }
    return {**found, "--carrier": names()}


def _option_names(command: str) -> list[str]:
    return [*map(_long, _options(command)), "--help"]


def _long(action: Action) -> str:
    return next(option for option in action.option_strings if option.startswith("--"))


def _options(command: str) -> list[Action]:
    """Return the options of a command that its help page lists."""
    return [
        action
        for action in actions_of(command)
        if action.option_strings and action.help != SUPPRESS
    ]
