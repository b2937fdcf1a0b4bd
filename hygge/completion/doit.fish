# Completion of doit and hygge in fish. To have it in each shell:
#     doit completion fish > ~/.config/fish/completions/doit.fish
#     doit completion fish > ~/.config/fish/completions/hygge.fish

set -g _hygge_commands @COMMANDS@

function _hygge
    set -l words (commandline -opc)
    set -l exe (command -s $words[1])
    # The Python that the command itself would run in, whatever environment is active.
    set -l python (string replace -r '[^/]*$' python -- (realpath -- $exe 2>/dev/null; or echo /))
    test -x "$python"; or set python @PYTHON@
    set -l lines (HYGGE_COMMANDS=$_hygge_commands $python -P -m hygge.completion fish \
        $words (commandline -ct) 2>/dev/null)
    test (count $lines) -gt 1; and printf '%s\n' $lines[2..-1]
end

complete -c doit -e
complete -c hygge -e
complete -c doit -f -k -a '(_hygge)'
complete -c hygge -f -k -a '(_hygge)'
