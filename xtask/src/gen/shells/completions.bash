# Names and PIDs that can be a TARGET, and the words that others begin with. A name is whatever
# somebody called a container: it is never expanded, and quoted where the shell would.
_nsx_targets() {
    local name colon
    COMPREPLY=()
    while IFS= read -r name; do
        if [[ "$name" == "$1"* ]]; then
            printf -v name %q "$name"
            COMPREPLY+=("$name")
        fi
    done < <(@NAMES@; printf '%s\n' @WORDS@)
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *: ]]; then
        compopt -o nospace 2>/dev/null
    fi
    # What is replaced begins after the last colon.
    if [[ "$1" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        colon="${1%"${1##*:}"}"
        COMPREPLY=("${COMPREPLY[@]#"$colon"}")
    fi
    # No container is not a reason to offer files.
    compopt +o default +o bashdefault 2>/dev/null
}

_nsx() {
    local called="${1##*/}" cur prev command="" long="" short="" aims="" aim="" positional="" options=1
    local piece before=""
    local -a words=()
    local -i cword at
    # A word with a colon arrives in pieces. An empty one behind a blank is a word of its own.
    for (( at = 0; at <= COMP_CWORD; at++ )); do
        piece="${COMP_WORDS[at]}"
        if [[ -z "$piece" && "${COMP_LINE:0:COMP_POINT}" == *[[:blank:]] ]]; then
            words+=("")
        elif (( at > 1 )) && [[ "$piece" == :* || "$before" == *: ]]; then
            words[${#words[@]}-1]+="$piece"
        else
            words+=("$piece")
        fi
        before="$piece"
    done
    cword=$(( ${#words[@]} - 1 ))
    cur="${words[cword]}" prev="${words[cword-1]}"
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
        if [[ "$aims" == *" $prev "* || ( -n "$aim" && "$prev" != --* && "$prev" == -*["$aim"] ) ]]; then
            _nsx_targets "$cur"
            return
        fi
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
