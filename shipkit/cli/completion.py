"""Completion scripts for bash, zsh and fish, made from the grammar: commands, options, their choices, and job ids."""

from __future__ import annotations

import shlex
from argparse import Action, ArgumentParser, Namespace, _SubParsersAction
from typing import cast

from shipkit.cli.console import Console, End
from shipkit.cli.grammar import COMMANDS, parser
from shipkit.settings import Settings

__all__ = ["completion"]

_JOB_COMMANDS = ("show", "labels", "void", "write-back", "resume")


def completion(args: Namespace, console: Console) -> End:
    """Print the completion script of a shell."""
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell]()
    console.say(script)
    console.record("completion", shell=args.shell, script=script)
    return End()


def _bash() -> str:
    cases = "\n".join(f'    {name}) words="{" ".join(_options(name))}" ;;' for name in COMMANDS)
    choices = "\n".join(
        f'    {option}) words="{" ".join(values)}" ;;' for option, values in _choices().items()
    )
    return f"""# shipkit completion for bash; add to ~/.bashrc:  eval "$(shipkit completion bash)"
_shipkit() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join(COMMANDS)}" -- "$current")); return
  fi
  case "$before" in
{choices}
  esac
  if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); return; fi
  case "$command" in
{cases}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) case "$command" in
         {"|".join(_JOB_COMMANDS)}) [ "$COMP_CWORD" -eq 2 ] && COMPREPLY=($(compgen -W "$(command ls "{_jobs_folder()}" 2>/dev/null | grep '^job-')" -- "$current")) ;;
       esac ;;
  esac
}}
complete -o default -F _shipkit shipkit"""


def _zsh() -> str:
    return f"""# shipkit completion for zsh; add to ~/.zshrc:  eval "$(shipkit completion zsh)"
autoload -U +X bashcompinit && bashcompinit
{_bash()}"""


def _fish() -> str:
    lines = ["# shipkit completion for fish; save as ~/.config/fish/completions/shipkit.fish"]
    for name, command in COMMANDS.items():
        lines.append(
            f"complete -c shipkit -n __fish_use_subcommand -f -a {name} -d "
            f"{shlex.quote(command.summary)}"
        )
        for action in _actions(name):
            values = (
                f" -x -a {shlex.quote(' '.join(map(str, action.choices)))}"
                if action.choices
                else " -r"
                if action.nargs != 0
                else ""
            )
            long = [option[2:] for option in action.option_strings if option.startswith("--")]
            lines += [
                (
                    f"complete -c shipkit -n '__fish_seen_subcommand_from {name}' -l {option} -d "
                    f"{shlex.quote(action.help or '')}{values}"
                )
                for option in long
            ]
    home = f"(set -q SHIPKIT_HOME; and echo $SHIPKIT_HOME; or echo {Settings.read({}).home})"
    jobs = f"(command ls {home}/jobs 2>/dev/null | string match 'job-*')"
    lines += [
        (
            f"complete -c shipkit -n '__fish_seen_subcommand_from {' '.join(_JOB_COMMANDS)}' -f "
            f"-a {shlex.quote(jobs)}"
        )
    ]
    return "\n".join(lines)


def _jobs_folder() -> str:
    return f"${{SHIPKIT_HOME:-{Settings.read({}).home}}}/jobs"


def _options(name: str) -> list[str]:
    return [
        option
        for action in _actions(name)
        for option in action.option_strings
        if option.startswith("--")
    ]


def _choices() -> dict[str, list[str]]:
    """Return option -> what it can be, over all commands."""
    return {
        option: [str(c) for c in action.choices]
        for name in COMMANDS
        for action in _actions(name)
        if action.choices
        for option in action.option_strings
    }


def _actions(name: str) -> list[Action]:
    commands = next(action for action in parser()._actions if isinstance(action, _SubParsersAction))  # noqa: SLF001 - argparse has no public way to list what a parser knows
    one = cast("ArgumentParser", commands.choices[name])
    return [action for action in one._actions if action.option_strings]  # noqa: SLF001
