# Types of options: what a value must be, and how several definitions make one.
{ lib }:
let
  inherit (builtins) isString;

  # Checks every definition, then merges them.
  mergeAs =
    type: loc: values:
    let
      wrong = builtins.filter (value: !type.check value) values;
    in
    if wrong == [ ] then
      type.merge loc values
    else
      throw "A definition for option `${lib.showOption loc}' is not of type `${type.name}'.";

  mergeEqual =
    loc: values:
    let
      first = builtins.head values;
    in
    if builtins.all (value: value == first) values then
      first
    else
      throw "The option `${lib.showOption loc}' has conflicting definitions.";

  simple = name: check: {
    _type = "option-type";
    inherit name check;
    merge = mergeEqual;
  };

  isStringLike = value: isString value || builtins.isPath value || value ? outPath;

  self = rec {
    inherit mergeAs;

    unspecified = simple "unspecified" (_: true);
    bool = simple "boolean" builtins.isBool;
    int = simple "signed integer" builtins.isInt;
    str = simple "string" isString;
    lines = str // {
      merge = _: builtins.concatStringsSep "\n";
    };
    strMatching =
      pattern:
      simple "string matching the pattern ${pattern}" (
        value: isString value && builtins.match pattern value != null
      );
    path = simple "absolute path" (
      value: isStringLike value && builtins.substring 0 1 (toString value) == "/"
    );
    package = simple "package" (value: (value.type or null) == "derivation");
    enum = values: simple "one of ${builtins.toJSON values}" (value: builtins.elem value values);

    ints = {
      between =
        low: high:
        simple "integer between ${toString low} and ${toString high} (both inclusive)" (
          value: builtins.isInt value && value >= low && value <= high
        );
      positive = simple "positive integer, meaning >0" (value: builtins.isInt value && value > 0);
      u8 = ints.between 0 255;
    };
    port = ints.between 0 65535;

    nullOr =
      type:
      simple "null or ${type.name}" (value: value == null || type.check value)
      // {
        merge =
          loc: values:
          if builtins.all (value: value == null) values then null else mergeAs type loc values;
      };

    either =
      a: b:
      simple "${a.name} or ${b.name}" (value: a.check value || b.check value)
      // {
        merge = loc: values: (if builtins.all a.check values then a else b).merge loc values;
      };

    listOf =
      type:
      simple "list of ${type.name}" builtins.isList
      // {
        merge = loc: values: map (value: mergeAs type loc [ value ]) (builtins.concatLists values);
      };
    nonEmptyListOf =
      type:
      let
        list = listOf type;
      in
      list
      // {
        name = "non-empty ${list.name}";
        check = value: list.check value && value != [ ];
      };

    attrsOf =
      type:
      simple "attribute set of ${type.name}" builtins.isAttrs
      // {
        merge =
          loc: values:
          builtins.listToAttrs (
            builtins.concatMap (
              name:
              let
                defined = lib.discharge (
                  builtins.concatMap (value: lib.optional (value ? ${name}) value.${name}) values
                );
              in
              lib.optional (defined != [ ]) {
                inherit name;
                value = mergeAs type (loc ++ [ name ]) defined;
              }
            ) (lib.unique (builtins.concatMap builtins.attrNames values))
          );
      };

    coercedTo =
      from: coerce: to:
      let
        convert = value: if from.check value then coerce value else value;
      in
      simple "${to.name} or ${from.name} convertible to it" (value: to.check (convert value))
      // {
        merge = loc: values: to.merge loc (map convert values);
      };

    submodule =
      module:
      simple "submodule" builtins.isAttrs
      // {
        merge =
          loc: values:
          (lib.evalModules {
            prefix = loc;
            modules = [ module ] ++ map (config: { inherit config; }) values;
          }).config;
      };
  };
in
self
