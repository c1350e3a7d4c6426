# bash completion for hwaccl(1)

_hwaccl()
{
        local cur prev words cword
        _init_completion 2>/dev/null || {
                words=("${COMP_WORDS[@]}")
                cword=$COMP_CWORD
                cur=${words[cword]}
                prev=${words[cword - 1]}
        }
        local subcommands="record replay show state stat check recover import top help"

        if ((cword == 1)); then
                mapfile -t COMPREPLY < <(compgen -W "$subcommands --help --version" -- "$cur")
                return
        fi

        case $prev in
        --accel)
                mapfile -t COMPREPLY < <(compgen -W "auto kvm muen soft" -- "$cur")
                return
                ;;
        --clock)
                mapfile -t COMPREPLY < <(compgen -W "host virtual" -- "$cur")
                return
                ;;
        --linux-entry)
                mapfile -t COMPREPLY < <(compgen -W "32 64" -- "$cur")
                return
                ;;
        --sort | -s)
                mapfile -t COMPREPLY < <(compgen -W "count time guest reason" -- "$cur")
                return
                ;;
        --smp)
                mapfile -t COMPREPLY < <(compgen -W "1" -- "$cur")
                return
                ;;
        --reason | -r)
                if [[ ${words[1]} == show ]]; then
                        mapfile -t COMPREPLY < <(compgen -W "cpuid control-register ept-violation external-interrupt
                                hlt interrupt-window invd invlpg io-instruction mov-dr pause preemption-timer rdmsr
                                rdtsc rdtscp task-switch triple-fault vmcall wbinvd wrmsr" -- "$cur")
                        return
                fi
                ;;
        --memory | -m | --append | --wall-time | --tsc-khz | --max-exits | -n | --timeout | -t | --until | --expect-exit | \
                --keyframe-interval | --flight-recorder | --trigger | --from | --to | --vcpu | --limit | -l | --rip | --interval | -i)
                return
                ;;
        esac

        if [[ $cur == -* ]]; then
                local options="--help"
                case ${words[1]} in
                record)
                        options+=" --firmware --raw --disk --kernel --initrd --append --module --linux-entry --memory
                                --output --force --no-db --no-record --lttng --accel --clock --wall-time --tsc-khz --max-exits --timeout --until
                                --expect-exit --console --input --quiet-debug --keyframe-interval --verify
                                --flight-recorder --trigger
                                --subject-dir --subject-doorbells --subject-timeout
                                --smp --save-memory"
                        ;;
                replay) options+=" --from --to --vcpu --first --limit --json" ;;
                show) options+=" --from --to --vcpu --reason --rip --limit --disasm --json" ;;
                state) options+=" --changed --vcpu --json" ;;
                stat) options+=" --from --to --vcpu --sort --json" ;;
                check | recover) options+=" --json" ;;
                top) options+=" --interval --once --vcpu --json" ;;
                import) options+=" --output --force --pid --vcpu" ;;
                esac
                mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
                return
        fi

        if [[ ${words[1]} == import ]] && ((cword == 2)); then
                mapfile -t COMPREPLY < <(compgen -W "ctf" -- "$cur")
                return
        fi
        if [[ ${words[1]} == help ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$subcommands" -- "$cur")
                return
        fi
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

complete -F _hwaccl hwaccl
