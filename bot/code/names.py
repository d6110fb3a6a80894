"""Which files are of which family of languages, by their names."""

from bot.code.families import Family
from bot.code.languages import (
    ADA,
    BASIC,
    BATCH,
    CSHARP,
    CSS,
    ELIXIR,
    ERLANG,
    FORTRAN,
    GO,
    HASHED,
    HASKELL,
    HCL,
    JAVA,
    JS,
    JSON,
    JULIA,
    JVM,
    LINES,
    LISP,
    LUA,
    MARKUP,
    ML,
    NIX,
    PASCAL,
    PERL,
    PHP,
    POWERSHELL,
    PYTHON,
    RUBY,
    RUST,
    SHELL,
    SQL,
    SWIFT,
    TEMPLATES,
    TOML,
    UNKNOWN,
    C,
)

_FAMILIES = {
    C: "c h cc cpp cxx hpp hh hxx ino m mm cu cl glsl hlsl metal proto thrift fbs sol zig v sv vala"
    " d idl ixx cppm",
    JAVA: "java jav apex cls aidl",
    CSHARP: "cs csx",
    GO: "go",
    JVM: "kt kts scala sc dart groovy gradle gvy",
    SWIFT: "swift",
    JS: "js jsx mjs cjs ts tsx mts cts es es6 coffee gs",
    RUST: "rs",
    CSS: "css scss sass less styl pcss",
    HCL: "tf tfvars hcl nomad",
    PYTHON: "py pyi pyw pyx ipy star bzl",
    SHELL: "sh bash zsh ksh fish bats",
    POWERSHELL: "ps1 psm1 psd1",
    RUBY: "rb rake gemspec ru jbuilder cr podspec",
    PERL: "pl pm t",
    ELIXIR: "ex exs",
    JULIA: "jl",
    HASHED: "r nim graphql gql awk tcl mojo",
    NIX: "nix",
    LINES: "mk mak dockerfile containerfile conf cmake bazel gn gni gitignore gitattributes",
    SQL: "sql psql ddl dml hql pls plsql pgsql",
    LUA: "lua luau",
    HASKELL: "hs lhs elm purs idr",
    ADA: "adb ads vhd vhdl",
    LISP: "lisp lsp el clj cljs cljc edn scm ss rkt fnl",
    ERLANG: "erl hrl",
    ML: "ml mli fs fsi fsx re rei",
    PASCAL: "pas pp dpr lpr",
    BASIC: "vb vbs bas",
    FORTRAN: "f f90 f95 f03 f08 for",
    BATCH: "bat cmd",
    MARKUP: "html htm xhtml xml xsl xslt xaml vue svelte astro plist storyboard xib csproj props"
    " targets hbs handlebars mustache cshtml razor jsp jspx ejs mdx resx wsdl xsd heex",
    TEMPLATES: "j2 jinja jinja2 twig njk liquid erb eex leex html.erb tmpl tpl gotmpl dj",
    PHP: "php phtml php3 php4 php5 inc",
    JSON: "json json5 jsonc geojson webmanifest avsc code-workspace",
    TOML: "toml",
}
_BY_ENDING = {ending: one for one, endings in _FAMILIES.items() for ending in endings.split()}
_BY_NAME = {
    "makefile": LINES,
    "gnumakefile": LINES,
    "dockerfile": LINES,
    "containerfile": LINES,
    "caddyfile": LINES,
    "cmakelists.txt": LINES,
    "justfile": LINES,
    "rakefile": RUBY,
    "gemfile": RUBY,
    "podfile": RUBY,
    "fastfile": RUBY,
    "vagrantfile": RUBY,
    "brewfile": RUBY,
    "jenkinsfile": JVM,
    "build": PYTHON,
    "workspace": PYTHON,
    "tiltfile": PYTHON,
    ".bashrc": SHELL,
    ".zshrc": SHELL,
    ".profile": SHELL,
    ".babelrc": JSON,
    ".eslintrc": JSON,
    ".prettierrc": JSON,
    "pipfile": TOML,
}


def family_of(path: str) -> Family:
    """Return the family of a file by its name."""
    name = path.rpartition("/")[2].lower()
    if known := _BY_NAME.get(name):
        return known
    if name.startswith(("dockerfile.", "makefile.")):
        return LINES
    return _BY_ENDING.get(name.rpartition(".")[2] if "." in name else "", UNKNOWN)


def configuration_of(path: str) -> str | None:
    """Return how a file of configuration is written, or None where it is code.

    It is "yaml", "toml", "json5", "properties", "env" or "ini". JSON has all keys in quotes.
    """
    name = path.rpartition("/")[2].lower()
    ending = name.rpartition(".")[2] if "." in name else ""
    if name == ".env" or name.startswith(".env.") or ending == "env" or name == ".envrc":
        return "env"
    if ending in {"yml", "yaml"} or name in {".clang-format", ".yamllint"}:
        return "yaml"
    if ending == "properties":
        return "properties"
    if ending in {"ini", "cfg"} or name in {".editorconfig", ".gitconfig", ".npmrc"}:
        return "ini"
    if ending == "json5":
        return "json5"
    return "toml" if family_of(path) is TOML else None
