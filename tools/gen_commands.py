"""Turn data/commands.toml into an option parser's table, man pages and a shell completion:

    gen_commands.py c    commands.toml PROGRAM out.c
    gen_commands.py man  commands.toml PROGRAM out.scd
    gen_commands.py bash commands.toml out
"""

import pathlib
import sys
import tomllib


def c_string(value):
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def load(path):
    with open(path, "rb") as f:
        table = tomllib.load(f)
    programs = {p["name"]: p for p in table["program"]}
    for program in programs.values():
        program["commands"] = [c for c in table["command"] if c["program"] == program["name"]]
        if program.get("exits"):  # its exit status is a return code of the factory line
            program["exits"] = line_codes(pathlib.Path(path).with_name(program["exits"]))
        program["groups"] = {g["name"]: g for g in table.get("group", []) if g["program"] == program["name"]}
    return programs, table["exit"]


def line_codes(path):
    with open(path, "rb") as f:
        table = tomllib.load(f)
    actions = {a["number"]: a["text"] for a in table["action"]}
    return [{"code": c["number"], "about": " ".join([c["text"][0].upper() + c["text"][1:] + "."] + [actions[n] for n in c["actions"]])}
            for c in table["code"]]


def is_single(program):
    return program["commands"][0]["name"] == ""


def group_of(program, command):
    return program["groups"].get(command["name"].partition(" ")[0])


def options_of(program, command):
    """Its own, then those that all commands of its group have."""
    group = group_of(program, command)
    return command.get("options", []) + (group["options"] if group else [])


def option_rows(options):
    rows = ["    {%s, '%s', %s, %s, %s, %s},\n" % (
        c_string(o["name"]), o.get("letter", "\\0"), c_string(o.get("arg")), c_string(o["about"]),
        "true" if o.get("required") else "false", "true" if o.get("repeat") else "false") for o in options]
    return "".join(rows) + "    {NULL, '\\0', NULL, NULL, false, false},\n"


def write_c(program, exits, path):
    with open(path, "w") as f:
        f.write('/* Generated from data/commands.toml. */\n#include "programs/common/options.h"\n\n')
        f.write("static const struct option_row global_options[] = {\n%s};\n\n" % option_rows(program.get("options", [])))
        for number, command in enumerate(program["commands"]):
            f.write("static const struct option_row options_%d[] = {\n%s};\n\n" % (
                number, option_rows(options_of(program, command))))
        f.write("static const struct command_row commands[] = {\n")
        for number, command in enumerate(program["commands"]):
            f.write("    {%s, %s, %d, %d, %s, %s, %s, options_%d},\n" % (
                c_string(command["name"]), c_string(command.get("args", "")), command.get("min", 0),
                command.get("max", 0), c_string(command["about"]), c_string(command.get("detail", "")),
                c_string(command["example"]), number))
        f.write("    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},\n};\n\n")
        f.write("const struct program_row program_row = {%s, %s, %s, %d, %d, global_options, commands};\n" % (
            c_string(program["name"]), c_string(program["about"]), c_string(program["description"].strip()),
            program.get("section", 1), program.get("usage_status", 2)))


def escape(text):
    for c in "\\_*<>[]":
        text = text.replace(c, "\\" + c) if c in "\\_*" else text
    return text


def man_option(option):
    names = [f"*-{option['letter']}*"] if option.get("letter") else []
    names.append(f"*--{option['name']}*")
    text = ", ".join(names)
    if option.get("arg"):
        text += f" _{option['arg']}_"
    about = escape(option["about"])
    if option.get("required"):
        about += "; required"
    if option.get("repeat"):
        about += "; may be given more than once"
    return f"{text}\n\t{about}\n\n"


def write_man(program, exits, path):
    name, section = program["name"], program.get("section", 1)
    with open(path, "w") as f:
        f.write(f"{name}({section})\n\n# NAME\n\n{name} - {program['about']}\n\n# SYNOPSIS\n\n")
        single = is_single(program)
        what = escape(program["commands"][0]["args"]) if single else "_command_ [arguments]"
        f.write(f"*{name}* [options] {what}\n\n# DESCRIPTION\n\n{escape(program['description'].strip())}\n\n")
        f.write("# OPTIONS\n\n")
        for option in program.get("options", []) + (program["commands"][0].get("options", []) if single else []):
            f.write(man_option(option))
        f.write("*-h*, *--help*\n\tshow the help%s\n\n*--version*\n\tshow the version\n\n" % ("" if single else ", for the program or for a command"))
        if single:
            f.write(f"# EXAMPLES\n\n```\n{program['commands'][0]['example']}\n```\n\n")
        else:
            f.write("# COMMANDS\n\n")
        shown = set()
        for command in [] if single else program["commands"]:
            group = group_of(program, command)
            if group and group["name"] not in shown:
                shown.add(group["name"])
                f.write(f"## {group['name']}\n\n{escape(group['about'])}.\n\n{escape(group['detail'].strip())}\n\n")
                f.write(f"Every *{group['name']}* command has these options:\n\n")
                for option in group["options"]:
                    f.write(man_option(option))
            args = " " + escape(command["args"]) if command.get("args") else ""
            f.write(f"## {command['name']}{args}\n\n{escape(command['about'])}.\n\n")
            if command.get("detail"):
                f.write(escape(command["detail"]) + "\n\n")
            for option in command.get("options", []):
                f.write(man_option(option))
            f.write(f"Example:\n\n```\n{command['example']}\n```\n\n")
        f.write("# EXIT STATUS\n\n")
        for row in program.get("exits") or exits:
            f.write(f"*{row['code']}*\n\t{escape(row['about'])}\n\n")
        if program.get("files"):
            f.write(f"# FILES\n\n{escape(program['files'])}\n\n")
        others = "*claviger*(1), *clavigerd*(8), *clavigerd.conf*(5), *claviger-kmip-profile*(5), *claviger-kmc*(1), *claviger-provision*(1), *claviger-sim*(1)"
        f.write(f"# SEE ALSO\n\n{others}\n")


def write_bash(programs, path):
    with open(path, "w") as f:
        f.write("# Generated from data/commands.toml.\n_claviger() {\n")
        f.write('    local words="" cur="${COMP_WORDS[COMP_CWORD]}" line="${COMP_WORDS[*]:1:COMP_CWORD-1}"\n')
        f.write('    case "${COMP_WORDS[0]##*/} $line" in\n')
        for program in programs.values():
            if is_single(program):
                flags = " ".join("--" + o["name"] for o in program["commands"][0]["options"])
                words = program["commands"][0].get("args", "").strip("[]").replace("|", " ")
                f.write(f'    "{program["name"]} "*) words="{flags} --help --version {words}" ;;\n')
                continue
            for command in program["commands"]:
                options = options_of(program, command) + program.get("options", [])
                flags = " ".join("--" + o["name"] for o in options)
                f.write(f'    "{program["name"]} {command["name"]}"*) words="{flags} --help" ;;\n')
            groups = {}
            for command in program["commands"]:
                first, _, rest = command["name"].partition(" ")
                groups.setdefault(first, []).append(rest)
            for first, rest in groups.items():
                if rest != [""]:
                    f.write(f'    "{program["name"]} {first}") words="{" ".join(rest)}" ;;\n')
            f.write(f'    "{program["name"]} ") words="{" ".join(groups)} --help --version" ;;\n')
        f.write('    esac\n    mapfile -t COMPREPLY < <(compgen -W "$words" -f -- "$cur")\n}\n')
        f.write("complete -F _claviger " + " ".join(programs) + "\n")


def main():
    mode = sys.argv[1]
    programs, exits = load(sys.argv[2])
    if mode == "bash":
        write_bash(programs, sys.argv[3])
    else:
        {"c": write_c, "man": write_man}[mode](programs[sys.argv[3]], exits, sys.argv[4])


main()
