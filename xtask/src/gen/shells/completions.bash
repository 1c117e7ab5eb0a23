# Names and PIDs that can be a TARGET.
_nsx_targets() {
    COMPREPLY=($(compgen -W "$(command nsx ps -q 2>/dev/null)" -- "$1"))
    # No container is not a reason to offer files.
    compopt +o default +o bashdefault 2>/dev/null
}

_nsx() {
    local called="${1##*/}" cur="$2" prev="$3" command="" long="" short="" positional="" options=1
    local -a words=("${COMP_WORDS[@]}")
    local -i cword=COMP_CWORD at
    # nsx-ps … is read as nsx ps …
    if [[ "$called" == nsx-* ]]; then
        words=(nsx "${called#nsx-}" "${words[@]:1}")
        cword+=1
    fi
    words[0]=nsx
    # --option=value arrives as three words.
    if [[ "$cur" == "=" ]]; then
        prev="${words[cword-1]}" cur=""
    elif [[ "$prev" == "=" ]]; then
        prev="${words[cword-2]}"
    fi
    if (( cword > 1 )); then
        command="${words[1]}"
    fi
    case "$command" in
@CASES@
    esac

    # The first word that is no option, and whether the word before it wants a value.
    at=2
    while (( at < cword )); do
        case "${words[at]}" in
            --) options=""; at+=1; break ;;
            --*)
                if [[ "${words[at+1]}" == "=" ]]; then
                    at+=3
                elif [[ "$long" == *" ${words[at]} "* ]]; then
                    at+=2
                else
                    at+=1
                fi ;;
            -?*) if [[ -n "$short" && "${words[at]}" == -*["$short"] ]]; then at+=2; else at+=1; fi ;;
            *)
                if [[ "$positional" == program ]]; then
                    options=""
                    break
                fi
                at+=1 ;;
        esac
    done

    if (( at > cword )); then
        case "$command $prev" in
            "enter --target" | "enter -"*t) _nsx_targets "$cur"; return ;;
        esac
    elif [[ -n "$positional" ]] && [[ -z "$options" || "$cur" != -* ]]; then
        if [[ "$positional" == target ]]; then
            _nsx_targets "$cur"
        elif (( at == cword )); then
            COMPREPLY=($(compgen -c -- "$cur"))
        fi
        return
    fi
    local -a COMP_WORDS=("${words[@]}")
    local COMP_CWORD=$cword
    _nsx_options nsx "$cur" "$prev"
}

complete -F _nsx -o bashdefault -o default nsx @PROGRAMS@
