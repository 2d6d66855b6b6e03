# Completion of drayage for bash, 3.2 and later. drayage completion --help tells where to put this file.

_drayage() {
    local reply kind word
    COMPREPLY=()
    # drayage itself reads the line: it knows what follows a colon. Nobody sees the line in the list of processes.
    # Nothing that drayage prints is evaluated.
    reply=$(printf '%s' "${COMP_LINE:0:COMP_POINT}" |
        "${1/#\~/$HOME}" __complete bash "$COMP_WORDBREAKS" 2>/dev/null) || return 0
    {
        IFS= read -r kind
        while IFS= read -r word; do
            [ -n "$word" ] && COMPREPLY+=("$word")
        done
    } <<<"$reply"
    case $kind in
    files* | directories*)
        # Without words of its own this function leaves names of files to bash, which quotes them.
        if [ "${#COMPREPLY[@]}" -gt 0 ] && [ -n "$(compgen -f -- "$2")" ]; then
            COMPREPLY=()
        fi
        case $kind in directories*) compopt -o dirnames +o default 2>/dev/null ;; esac
        ;;
    *)
        compopt +o default 2>/dev/null
        ;;
    esac
    compopt -o nosort 2>/dev/null
    if [ "${#COMPREPLY[@]}" -eq 1 ]; then
        case ${COMPREPLY[0]} in *: | *= | */) compopt -o nospace 2>/dev/null ;; esac
    fi
    return 0
}

complete -o default -F _drayage drayage drayage.exe
