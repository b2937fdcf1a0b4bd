#compdef doit hygge
# Completion of doit and hygge in zsh. To have it in each shell, put into ~/.zshrc, after compinit:
#     eval "$(doit completion zsh)"
# or write it to a file called _doit in a folder of $fpath.

_hygge_commands=@COMMANDS@

_hygge() {
    local python=${commands[${words[1]}]:-${words[1]}}
    local -a lines texts shown how
    # The Python that the command itself would run in, whatever environment is active.
    python=${python:A:h}/python
    [[ -x $python ]] || python=@PYTHON@
    lines=("${(@f)$(HYGGE_COMMANDS=$_hygge_commands $python -P -m hygge.completion zsh \
        "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    if (( $#lines < 2 )); then
        _files
        return
    fi
    how=(-V hygge)
    [[ $lines[1] == nospace ]] && how+=(-S '')
    shift lines
    texts=("${(@)lines%%$'\t'*}")
    if [[ $lines[1] == *$'\t'* ]]; then
        shown=("${(@)lines//$'\t'/  -- }")
        how+=(-l -d shown)
    fi
    compadd "${how[@]}" -a texts
}

if [[ $funcstack[1] == _doit ]]; then
    _hygge "$@"
else
    compdef _hygge doit hygge
fi
