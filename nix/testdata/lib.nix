# As much of nixpkgs' lib as the module and the stand-ins use, written anew for machines without nixpkgs: a
# module system with declarations, priorities, order, and types that check and merge. It refuses what nixpkgs'
# refuses: an option that is not declared, a value of another type, two values that don't merge.
#
# Left out: freeform modules, disabledModules, apply within submodules, type merging. evaluate.nix takes nixpkgs' own
# lib in its place, and the same tests have to pass with both.
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isPath
    isString
    length
    listToAttrs
    map
    mapAttrs
    replaceStrings
    sort
    split
    stringLength
    substring
    tail
    ;

  lib = {
    inherit (builtins)
      all
      any
      attrNames
      attrValues
      concatMap
      concatStringsSep
      elem
      filter
      head
      isAttrs
      isInt
      isList
      isString
      length
      mapAttrs
      tail
      ;

    # Lists and attribute sets.
    optional = condition: element: if condition then [ element ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    toList = value: if isList value then value else [ value ];
    min = a: b: if a < b then a else b;
    last = list: builtins.elemAt list (length list - 1);
    unique = foldl' (seen: e: if elem e seen then seen else seen ++ [ e ]) [ ];
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    filterAttrs =
      f: set: removeAttrs set (filter (name: !(f name set.${name})) (attrNames set));
    genAttrs =
      names: f:
      listToAttrs (
        map (name: {
          inherit name;
          value = f name;
        }) names
      );
    attrByPath =
      path: default: set:
      if path == [ ] then
        set
      else if isAttrs set && set ? ${head path} then
        lib.attrByPath (tail path) default set.${head path}
      else
        default;
    setAttrByPath =
      path: value: if path == [ ] then value else { ${head path} = lib.setAttrByPath (tail path) value; };

    # Strings.
    optionalString = condition: text: if condition then text else "";
    concatLines = lines: concatStringsSep "" (map (line: line + "\n") lines);
    concatMapStringsSep =
      separator: f: list:
      concatStringsSep separator (map f list);
    splitString =
      separator: text: filter isString (split (lib.escapeRegex separator) text);
    escapeRegex =
      let
        special = [
          "\\"
          "["
          "{"
          "("
          ")"
          "^"
          "$"
          "?"
          "*"
          "+"
          "|"
          "."
        ];
      in
      replaceStrings special (map (c: "\\" + c) special);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      let
        rest = stringLength text - stringLength suffix;
      in
      rest >= 0 && substring rest (-1) text == suffix;
    hasInfix = infix: text: length (split (lib.escapeRegex infix) text) > 1;
    escapeShellArg =
      arg:
      if builtins.match "[A-Za-z0-9,._+:@%/-]+" (toString arg) != null then
        toString arg
      else
        "'" + replaceStrings [ "'" ] [ "'\\''" ] (toString arg) + "'";
    escapeShellArgs = args: concatStringsSep " " (map lib.escapeShellArg args);
    getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname}";

    # Option declarations and their documentation.
    mkOption = option: option // { _type = "option"; };
    mkEnableOption =
      what:
      lib.mkOption {
        type = lib.types.bool;
        default = false;
        example = true;
        description = "Whether to enable ${what}.";
      };
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };
    literalMD = text: {
      _type = "literalMD";
      inherit text;
    };

    # Properties of definitions. A lower priority wins.
    mkIf = condition: content: {
      _type = "if";
      inherit condition content;
    };
    mkMerge = contents: {
      _type = "merge";
      inherit contents;
    };
    mkOverride = priority: content: {
      _type = "override";
      inherit priority content;
    };
    mkOptionDefault = lib.mkOverride 1500;
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    mkOrder = priority: content: {
      _type = "order";
      inherit priority content;
    };
    mkBefore = lib.mkOrder 500;
    mkAfter = lib.mkOrder 1500;

    mkOptionType = type: { description = type.name; } // type // { _type = "option-type"; };
    mergeEqualOption =
      loc: defs:
      if all (d: d.value == (head defs).value) defs then
        (head defs).value
      else
        throw "The option `${showOption loc}' has conflicting definition values";

    inherit mergeDefinitions;
    types = import ./types.nix { inherit lib showOption; };

    evalModules =
      {
        modules,
        specialArgs ? { },
        # Where the options lie, for messages.
        prefix ? [ ],
      }:
      let
        args = {
          inherit lib config;
          options = result.options;
          extendModules =
            more:
            lib.evalModules {
              modules = modules ++ more.modules;
              inherit specialArgs prefix;
            };
        }
        // specialArgs;
        loaded = loadAll "<unknown file>" args modules;
        declared = declarations (map (m: m.options) loaded);
        defs = map (m: {
          inherit (m) file;
          value = m.config;
        }) loaded;
        evaluated = evaluate prefix declared defs;
        unknown = undeclared prefix declared defs;
        config = values evaluated;
        result = {
          config =
            if unknown == [ ] then config else throw "The option `${head unknown}' does not exist";
          options = evaluated;
          inherit (args) extendModules;
        };
      in
      result;

    # What the options manual is made of.
    optionAttrSetToDocList =
      options:
      if (options._type or "") == "option" then
        [
          (
            {
              inherit (options) loc declared;
              name = showOption options.loc;
            }
            // options.declared
          )
        ]
      else
        concatLists (map lib.optionAttrSetToDocList (attrValues options));
  };

  showOption = concatStringsSep ".";

  # A module and all that it imports, each once.
  loadAll =
    file: args: modules:
    let
      go =
        seen: todo:
        if todo == [ ] then
          [ ]
        else
          let
            m = head todo;
          in
          if isPath m && elem (toString m) seen then
            go seen (tail todo)
          else
            let
              loaded = load file args m;
            in
            [ loaded ]
            ++ go (if isPath m then seen ++ [ (toString m) ] else seen) (loaded.imports ++ tail todo);
    in
    go [ ] modules;

  load =
    file: args: module:
    let
      fromFile = isPath module || isString module;
      content = if fromFile then import module else module;
      m = if isFunction content then content args else content;
      explicit = m ? options || m ? config;
    in
    {
      file = m._file or (if fromFile then toString module else file);
      imports = m.imports or [ ];
      options = m.options or { };
      config =
        if explicit then
          m.config or { }
        else
          removeAttrs m [
            "_file"
            "imports"
          ];
    };

  # Merges trees of declarations; an option that is declared twice has the attributes of both.
  declarations =
    trees:
    let
      names = lib.unique (concatLists (map attrNames trees));
    in
    lib.genAttrs names (
      name:
      let
        here = map (t: t.${name}) (filter (t: t ? ${name}) trees);
      in
      if (head here)._type or "" == "option" then foldl' (a: b: a // b) { } here else declarations here
    );

  # The contents of a value whose conditions hold, without mkMerge and mkIf.
  discharge =
    value:
    if value._type or "" == "merge" then
      concatLists (map discharge value.contents)
    else if value._type or "" == "if" then
      if value.condition then discharge value.content else [ ]
    else
      [ value ];

  # The attribute sets that a definition consists of, what wraps them pushed down to their attributes: whether a condition
  # holds must not be asked before all options are known.
  attributes =
    value:
    if value._type or "" == "merge" then
      concatLists (map attributes value.contents)
    else if
      elem (value._type or "") [
        "if"
        "override"
        "order"
      ]
    then
      map (mapAttrs (_: content: value // { inherit content; })) (attributes value.content)
    else
      [ value ];

  setsOf =
    defs: concatLists (map (d: map (value: d // { inherit value; }) (attributes d.value)) defs);
  definitionsOf =
    name: sets: map (d: d // { value = d.value.${name}; }) (filter (d: d.value ? ${name}) sets);
  isOption = declaration: declaration._type or "" == "option";

  # The options, in a tree of the same shape as the declarations: which there are depends on no definition.
  evaluate =
    loc: declared: defs:
    mapAttrs (
      name: declaration:
      (if isOption declaration then option else evaluate) (loc ++ [ name ]) declaration (
        definitionsOf name (setsOf defs)
      )
    ) declared;

  # What is defined, but declared nowhere.
  undeclared =
    loc: declared: defs:
    let
      sets = setsOf defs;
    in
    concatLists (
      map (
        name:
        if !(declared ? ${name}) then
          [ (showOption (loc ++ [ name ])) ]
        else if isOption declared.${name} then
          [ ]
        else
          undeclared (loc ++ [ name ]) declared.${name} (definitionsOf name sets)
      ) (lib.unique (concatLists (map (d: attrNames d.value) sets)))
    );

  # What definitions of one place come to: those of the highest priority, in order, checked and merged.
  mergeDefinitions =
    loc: type: defs:
    let
      flat = concatLists (map (d: map (value: d // { inherit value; }) (discharge d.value)) defs);
      # The content is not looked at before it is known to count: a default may not be computable.
      prioritised = map (
        d:
        if d.value._type or "" == "override" then
          d
          // {
            inherit (d.value) priority;
            value = d.value.content;
          }
        else
          d // { priority = 100; }
      ) flat;
      highestPrio = foldl' (p: d: if d.priority < p then d.priority else p) 9999 prioritised;
      ordered = map (
        d:
        if d.value._type or "" == "order" then
          d
          // {
            order = d.value.priority;
            value = d.value.content;
          }
        else
          d // { order = 1000; }
      ) (filter (d: d.priority == highestPrio) prioritised);
      final = sort (a: b: a.order < b.order) ordered;
    in
    {
      inherit highestPrio final;
      value =
        if final == [ ] then
          if type ? emptyValue then
            type.emptyValue
          else
            throw "The option `${showOption loc}' was accessed but has no value defined"
        else if !(all (d: type.check d.value) final) then
          throw "A definition for option `${showOption loc}' is not of type `${type.description}'"
        else
          type.merge loc final;
    };

  option =
    loc: declaration: defs:
    let
      merged = mergeDefinitions loc declaration.type (
        lib.optional (declaration ? default) {
          file = "the declaration";
          value = lib.mkOptionDefault declaration.default;
        }
        ++ defs
      );
      readOnly = declaration.readOnly or false && defs != [ ];
    in
    {
      _type = "option";
      inherit loc;
      inherit (merged) highestPrio;
      declared = declaration;
      isDefined = merged.final != [ ];
      definitionsWithLocations = map (d: { inherit (d) file value; }) merged.final;
      value =
        if readOnly then
          throw "The option `${showOption loc}' is read-only, but it's set"
        else
          (declaration.apply or (v: v)) merged.value;
    };

  values = mapAttrs (_: o: if o._type or "" == "option" then o.value else values o);
in
lib
