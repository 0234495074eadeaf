# Option types for lib.nix: what a value has to be, and what becomes of several.
{ lib, showOption }:

let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatStringsSep
    elem
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    map
    ;

  one =
    loc: defs:
    if length defs == 1 then
      (head defs).value
    else
      throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique";

  simple =
    description: check:
    lib.mkOptionType {
      name = description;
      inherit check;
      merge = lib.mergeEqualOption;
    };

  element =
    type: loc: defs:
    (lib.mergeDefinitions loc type defs).value;

  types = {
    anything = lib.mkOptionType {
      name = "anything";
      check = _: true;
      merge = loc: defs: if length defs == 1 then (head defs).value else lib.mergeEqualOption loc defs;
    };
    raw = lib.mkOptionType {
      name = "raw value";
      check = _: true;
      merge = one;
    };
    bool = simple "boolean" isBool;
    int = simple "signed integer" isInt;
    ints.unsigned = simple "unsigned integer, meaning >=0" (v: isInt v && v >= 0);
    str = simple "string" isString;
    path = simple "absolute path" (
      v: isPath v || isString v && lib.hasPrefix "/" v || isAttrs v && v ? outPath
    );
    package = simple "package" (v: isAttrs v && (v.type or "") == "derivation");
    lines = lib.mkOptionType {
      name = "strings concatenated with \"\\n\"";
      check = isString;
      merge = _: defs: concatStringsSep "\n" (map (d: d.value) defs);
    };
    enum = words: simple "one of ${concatStringsSep ", " (map builtins.toJSON words)}" (v: elem v words) // { inherit words; };
    nullOr =
      type:
      lib.mkOptionType {
        name = "null or ${type.description}";
        check = v: v == null || type.check v;
        merge = loc: defs: if all (d: d.value == null) defs then null else element type loc defs;
      };
    either =
      a: b:
      lib.mkOptionType {
        name = "${a.description} or ${b.description}";
        check = v: a.check v || b.check v;
        merge = loc: defs: if all (d: a.check d.value) defs then a.merge loc defs else element b loc defs;
      };
    listOf =
      type:
      lib.mkOptionType {
        name = "list of ${type.description}";
        check = isList;
        emptyValue = [ ];
        merge =
          loc: defs:
          concatLists (map (d: map (value: element type loc [ (d // { inherit value; }) ]) d.value) defs);
      };
    nonEmptyListOf =
      type:
      types.listOf type
      // {
        description = "non-empty list of ${type.description}";
        check = v: isList v && v != [ ];
      };
    attrsOf =
      type:
      lib.mkOptionType {
        name = "attribute set of ${type.description}";
        check = isAttrs;
        emptyValue = { };
        merge =
          loc: defs:
          let
            merged = lib.genAttrs (lib.unique (concatLists (map (d: attrNames d.value) defs))) (
              name:
              lib.mergeDefinitions (loc ++ [ name ]) type (
                map (d: d // { value = d.value.${name}; }) (builtins.filter (d: d.value ? ${name}) defs)
              )
            );
          in
          builtins.mapAttrs (_: m: m.value) (lib.filterAttrs (_: m: m.final != [ ]) merged);
      };
    submodule =
      module:
      lib.mkOptionType {
        name = "submodule";
        check = v: isAttrs v || isFunction v;
        emptyValue = { };
        merge =
          loc: defs:
          (lib.evalModules {
            modules = [ module ] ++ map (d: d.value) defs;
            prefix = loc;
          }).config;
      };
  };
in
types
