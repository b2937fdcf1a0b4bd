# Completion of doit and hygge in bash. To have it in each shell, put into ~/.bashrc:
#     eval "$(doit completion bash)"

_hygge_commands=@COMMANDS@

_hygge() {
    local python lines options=$- IFS=$'\n'
    # The Python that the command itself would run in, whatever environment is active.
    python=$(type -P -- "${COMP_WORDS[0]}") && python=$(readlink -f -- "$python" 2>/dev/null)
    python=${python%/*}/python
    [[ -x $python ]] || python=@PYTHON@
    lines=$(HYGGE_COMMANDS=$_hygge_commands "$python" -P -m hygge.completion bash \
        "$COMP_LINE" "${COMP_POINT:-0}" "$COMP_WORDBREAKS" "$COMP_CWORD" "${COMP_WORDS[@]}" \
        2>/dev/null)
    # A candidate with a star in it is no pattern.
    set -f
    COMPREPLY=($lines)
    [[ $options == *f* ]] || set +f
    [[ ${COMPREPLY[0]} == nospace ]] && compopt -o nospace 2>/dev/null
    COMPREPLY=("${COMPREPLY[@]:1}")
}

complete -o nosort -o default -F _hygge doit hygge 2>/dev/null ||
    complete -o default -F _hygge doit hygge
