# Prints what bash would offer for each argument, a command line: LINE => OFFER OFFER …
source "$NSX_COMPLETIONS/nsx.bash"
for line in "$@"; do
    # As readline splits: `=` and `:` are words of their own.
    COMP_LINE="$line" COMP_POINT=${#line} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
    pieces="${line//=/ = }"
    read -ra COMP_WORDS <<<"${pieces//:/ : }"
    [[ "$line" == *[\ =] ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _nsx "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
    echo "$line =>" "${COMPREPLY[@]}"
done
