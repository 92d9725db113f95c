# A module system: modules declare options and define their values, and what is
# defined must have been declared, be of its type, and not contradict.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    concatLists
    concatMap
    filter
    foldl'
    head
    isAttrs
    isFunction
    isPath
    isString
    length
    map
    mapAttrs
    ;

  defaultPriority = 100;
  optionDefaultPriority = 1500;

  isType = name: value: isAttrs value && (value._type or null) == name;
  isOption = isType "option";

  # Conditions and priorities of a set, written at each of its values instead:
  # a condition may depend on one of those values.
  pushDown =
    value:
    if isType "merge" value then
      concatMap pushDown value.contents
    else if isType "if" value then
      map (mapAttrs (_: self.mkIf value.condition)) (pushDown value.content)
    else if isType "override" value then
      map (mapAttrs (_: self.mkOverride value.priority)) (pushDown value.content)
    else
      [ value ];

  # The definitions that count, as { priority, value }.
  prioritized =
    priority: value:
    if isType "merge" value then
      concatMap (prioritized priority) value.contents
    else if isType "if" value then
      (if value.condition then prioritized priority value.content else [ ])
    else if isType "override" value then
      prioritized value.priority value.content
    else
      [ { inherit priority value; } ];

  # The lowest number, as mkOverride counts; without a definition, 9999.
  highestPriority = foldl' (
    least: definition: if definition.priority < least then definition.priority else least
  ) 9999;

  strongest =
    definitions:
    let
      best = highestPriority definitions;
    in
    map (definition: definition.value) (filter (definition: definition.priority == best) definitions);

  evalOption =
    loc: option: definitions:
    let
      given = concatMap (prioritized defaultPriority) definitions;
      all = given ++ lib.optional (option ? default) {
        priority = optionDefaultPriority;
        value = option.default;
      };
      type = option.type or lib.types.unspecified;
      apply = option.apply or (value: value);
    in
    {
      _type = "evaluated";
      isDefined = all != [ ];
      highestPrio = highestPriority all;
      value =
        if all == [ ] then
          throw "The option `${self.showOption loc}' is used but not defined."
        else
          apply (lib.types.mergeAs type loc (strongest all));
    };

  # Options below one another, each declared once.
  declared =
    loc: trees:
    let
      at = name: concatMap (tree: lib.optional (tree ? ${name}) tree.${name}) trees;
      one =
        name:
        let
          found = at name;
        in
        if !(lib.any isOption found) then
          declared (loc ++ [ name ]) found
        else if length found == 1 then
          head found
        else
          throw "The option `${self.showOption (loc ++ [ name ])}' is already declared.";
    in
    lib.genAttrs (lib.unique (concatMap attrNames trees)) one;

  below = name: sets: concatMap (set: lib.optional (set ? ${name}) set.${name}) sets;

  evaluated =
    loc: options: configs:
    mapAttrs (
      name: option:
      let
        definitions = below name configs;
        here = loc ++ [ name ];
      in
      if isOption option then
        evalOption here option definitions
      else
        evaluated here option (concatMap pushDown definitions)
    ) options;

  # Names that are defined and nowhere declared.
  unknown =
    loc: options: configs:
    concatMap (
      name:
      let
        here = loc ++ [ name ];
      in
      if !(options ? ${name}) then
        [ (self.showOption here) ]
      else if isOption options.${name} then
        [ ]
      else
        unknown here options.${name} (concatMap pushDown (below name configs))
    ) (lib.unique (concatMap attrNames configs));

  valuesOf = mapAttrs (_: entry: if isType "evaluated" entry then entry.value else valuesOf entry);

  # A module with its parts named; all that is no part is configuration.
  normal =
    module:
    let
      parts = [
        "imports"
        "options"
        "config"
        "_file"
        "key"
      ];
      strange = attrNames (removeAttrs module parts);
    in
    if !(module ? options || module ? config) then
      {
        imports = module.imports or [ ];
        options = { };
        config = removeAttrs module parts;
      }
    else if strange == [ ] then
      {
        imports = module.imports or [ ];
        options = module.options or { };
        config = module.config or { };
      }
    else
      throw "A module has the unsupported attribute `${head strange}': move it below `config'.";

  self = rec {
    showOption = builtins.concatStringsSep ".";
    mkOption = attributes: attributes // { _type = "option"; };
    mkEnableOption =
      what:
      mkOption {
        type = lib.types.bool;
        default = false;
        description = "Whether to enable ${what}.";
      };
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
    mkOptionDefault = mkOverride optionDefaultPriority;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;

    # What counts of some definitions of one value.
    discharge = definitions: strongest (concatMap (prioritized defaultPriority) definitions);

    evalModules =
      {
        modules,
        specialArgs ? { },
        prefix ? [ ],
      }:
      let
        args = specialArgs // {
          inherit lib config;
          options = leaves;
        };
        load =
          module:
          let
            read = if isPath module || isString module then import module else module;
            loaded = normal (if isFunction read then read args else read);
          in
          [ loaded ] ++ concatMap load loaded.imports;
        loaded = concatMap load modules;
        options = declared prefix (map (module: module.options) loaded);
        configs = concatMap (module: pushDown module.config) loaded;
        leaves = evaluated prefix options configs;
        config = valuesOf leaves;
        strange = unknown prefix options configs;
      in
      {
        inherit options;
        config =
          if strange == [ ] then
            config
          else
            throw "The option `${head strange}' does not exist.";
      };
  };
in
self
