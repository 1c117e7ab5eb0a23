# Prints what zsh would offer for each argument, a command line: LINE => OFFER OFFER …
# An interactive zsh on a pseudo-terminal gets the line and a tab; its .zshrc is zshrc beside this.
zmodload zsh/zpty
for line in "$@"; do
    zpty shell 'zsh -d -i'
    while zpty -r shell output; do [[ $output == *READY* ]] && break; done
    zpty -w -n shell "$line"$'\t'
    offers=
    while zpty -r shell output; do
        [[ $output == *END* ]] && break
        [[ $output == *OFFER:* ]] && offers+=" ${${output#*OFFER:}%$'\r\n'}"
    done
    zpty -d shell
    print -r -- "$line =>$offers"
done
