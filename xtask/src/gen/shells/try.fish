# Prints what fish would offer for each argument, a command line: LINE => OFFER OFFER …
source $NSX_COMPLETIONS/nsx.fish
for line in $argv
    echo "$line =>" (complete -C "$line" | string replace -r '\t.*' '' | string replace -r '^--target=' '')
end
