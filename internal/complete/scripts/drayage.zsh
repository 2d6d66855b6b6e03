#compdef drayage
# Completion of drayage for zsh. drayage completion --help tells where to put this file.

_drayage() {
    local program=${(Q)words[1]} line kind word text
    local -i skip
    local -a reply head before plain open
    [[ $program == \~/* ]] && program=$HOME${program#\~}
    before=("${(@Q)words[2,CURRENT-1]}")
    (( CURRENT > 2 )) || before=()
    # Nothing that drayage prints is evaluated.
    reply=("${(@f)$($program __complete zsh "${before[@]}" "${(Q)PREFIX}" </dev/null 2>/dev/null)}")
    head=(${=reply[1]})
    kind=$head[1] skip=${head[2]:-0}
    for line in "${(@)reply[2,-1]}"; do
        [[ -n $line ]] || continue
        word=${line%%$'\t'*} text=${line#*$'\t'}
        [[ $line == *$'\t'* && -n $text ]] && word=${word//:/\\:}:$text || word=${word//:/\\:}
        case ${line%%$'\t'*} in
        *(:|=|/)) open+=("$word") ;;
        *) plain+=("$word") ;;
        esac
    done
    local -i found=1
    (( $#plain )) && _describe -V -t values 'drayage' plain && found=0
    (( $#open )) && _describe -V -t values 'drayage' open -S '' && found=0
    case $kind in
    files | directories)
        compset -p $skip
        if [[ $kind == files ]]; then
            _files && found=0
        else
            _files -/ && found=0
        fi
        ;;
    esac
    return found
}

if [[ $funcstack[1] == _drayage ]]; then
    _drayage "$@"
else
    compdef _drayage drayage
fi
