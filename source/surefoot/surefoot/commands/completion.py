"""Print what makes your shell complete commands, options, task names and `latest`.

eval "$(surefoot completion bash)"          # put this line into ~/.bashrc
eval "$(surefoot completion zsh)"           # into ~/.zshrc
surefoot completion fish | source           # into ~/.config/fish/config.fish
"""

import argparse

from surefoot.commands import COMMANDS, parser_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> None:
    """Print a script that holds every option, so that completing one starts no Python; task names are asked for."""
    options = {name: sorted({*parser_of(name).options(), "--help"}) for name in COMMANDS}
    if args.shell == "fish":
        print(_fish(options))
    else:
        print(("autoload -U +X bashcompinit && bashcompinit\n" if args.shell == "zsh" else "") + _bash(options))


def _bash(options: dict[str, list[str]]) -> str:
    cases = "\n".join(f"    {name}) words='{' '.join(known)} latest' ;;" for name, known in options.items())
    return f"""_surefoot() {{
  local here=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
  if [ "$COMP_CWORD" -eq 1 ]; then words='{" ".join(options)}'
  elif [ "$before" = --task ]; then words=$(surefoot tasks --names 2>/dev/null)
  else case ${{COMP_WORDS[1]}} in
{cases}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$here"))
}}
complete -o default -F _surefoot surefoot"""


def _fish(options: dict[str, list[str]]) -> str:
    lines = [f"complete -c surefoot -n __fish_use_subcommand -f -a {name} -d '{COMMANDS[name]}'" for name in options]
    for name, known in options.items():
        lines += [f"complete -c surefoot -n '__fish_seen_subcommand_from {name}' -l {text[2:]}" for text in known]
    lines.append("complete -c surefoot -l task -x -a '(surefoot tasks --names)'")
    return "\n".join(lines).replace("'s ", " ")
