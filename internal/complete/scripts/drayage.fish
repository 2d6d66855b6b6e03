# Completion of drayage for fish, 3.0 and later. drayage completion --help tells where to put this file.

function __drayage_tilde --argument-names path home
    if test -n "$home"
        string replace --regex "^$home" '~' -- $path
    else
        printf '%s\n' $path
    end
end

function __drayage_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l word (string unescape -- $typed 2>/dev/null)
    or set word (string trim --left --chars "'\"" -- $typed)
    # Nothing that drayage prints is evaluated.
    set -l reply ($words[1] __complete fish $words[2..-1] "$word" </dev/null 2>/dev/null)
    set -q reply[1]
    or return
    set -l head (string split ' ' -- $reply[1])
    if set -q reply[2]
        printf '%s\n' $reply[2..-1]
    end
    set -l before (string sub --length $head[2] -- $word)
    set -l path (string sub --start (math $head[2] + 1) -- $word)
    # fish looks for names of files as they are: without its home the tilde would be a name too.
    set -l home
    if test -z "$before"; and string match --quiet '~/*' -- $typed
        set home (string escape --style=regex -- $HOME)
        set path (string replace '~' $HOME -- $path)
    end
    switch $head[1]
        case files
            for found in (__fish_complete_path $path)
                printf '%s\n' $before(__drayage_tilde $found $home)
            end
        case directories
            for found in (__fish_complete_directories $path '')
                printf '%s\n' $before(__drayage_tilde $found $home)
            end
    end
end

complete -c drayage -f -k -a '(__drayage_complete)'
