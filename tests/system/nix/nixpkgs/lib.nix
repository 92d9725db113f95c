# The part of nixpkgs' lib that this project's Nix files use, in small: the
# same names, the same results, and a refusal where nixpkgs refuses.
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    functionArgs
    genList
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
    match
    replaceStrings
    stringLength
    substring
    tail
    ;

  lib =
    modules
    // rec {
      inherit
        any
        all
        attrNames
        attrValues
        concatLists
        concatMap
        concatStringsSep
        elem
        filter
        replaceStrings
        ;
      inherit types;

      # lists
      singleton = value: [ value ];
      toList = value: if isList value then value else [ value ];
      optional = condition: value: if condition then [ value ] else [ ];
      optionals = condition: values: if condition then values else [ ];
      remove = unwanted: filter (value: value != unwanted);
      last = list: elemAt list (length list - 1);
      unique = foldl' (found: value: if elem value found then found else found ++ [ value ]) [ ];
      allUnique = list: length (unique list) == length list;

      # sets
      genAttrs = names: valueOf: listToAttrs (map (name: { inherit name; value = valueOf name; }) names);
      mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);

      # text
      optionalString = condition: text: if condition then text else "";
      hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
      hasSuffix =
        suffix: text:
        let
          start = stringLength text - stringLength suffix;
        in
        start >= 0 && substring start (stringLength suffix) text == suffix;
      splitString =
        separator: text: filter isString (builtins.split "[${separator}]" (builtins.unsafeDiscardStringContext text));
      toInt =
        text:
        if match "0|-?[1-9][0-9]*" text == null then
          throw "toInt: ${text} is no number"
        else
          builtins.fromJSON text;
      escapeShellArg = value: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString value)}'";
      escapeShellArgs = values: concatStringsSep " " (map escapeShellArg values);
      versionAtLeast = a: b: builtins.compareVersions a b >= 0;
      importJSON = path: builtins.fromJSON (builtins.readFile path);
      literalMD = text: { _type = "literalMD"; inherit text; };
      literalExpression = text: { _type = "literalExpression"; inherit text; };

      assertMsg = condition: message: condition || throw message;

      # packages
      getExe = package: getExe' package package.meta.mainProgram;
      getExe' = package: name: "${package}/bin/${name}";
      makeOverridable =
        f: args:
        let
          result = f args;
        in
        if isAttrs result then
          result
          // {
            override = changes: makeOverridable f (args // (if isFunction changes then changes args else changes));
          }
        else
          result;
      callPackageWith =
        packages: file: args:
        let
          f = if isFunction file then file else import file;
        in
        makeOverridable f (builtins.intersectAttrs (functionArgs f) packages // args);
      licenses = {
        gpl2Only.spdxId = "GPL-2.0-only";
        gpl3Plus.spdxId = "GPL-3.0-or-later";
      };
      platforms.linux = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      # A file set: directories or files, and which of their files count.
      fileset = rec {
        fileFilter = keep: root: [ { inherit root keep; } ];
        unions = concatMap (set: if isList set then set else fileFilter (_: true) set);
        toSource =
          { root, fileset }:
          let
            parts = map (part: part // { path = toString part.root; }) (unions [ fileset ]);
            isBelow = path: directory: path == directory || hasPrefix "${directory}/" path;
            fileOf =
              path: {
                name = baseNameOf path;
                hasExt = extension: hasSuffix ".${extension}" path;
              };
          in
          assert all (
            part: assertMsg (builtins.pathExists part.root) "fileset: there is no ${part.path}"
          ) parts;
          {
            outPath = builtins.path {
              name = "source";
              path = root;
              filter =
                path: type:
                any (
                  part:
                  if type == "directory" then
                    isBelow path part.path || isBelow part.path path
                  else
                    isBelow path part.path && part.keep (fileOf path)
                ) parts;
            };
          };
      };
    };

  modules = import ./modules.nix { inherit lib; };
  types = import ./types.nix { inherit lib; };
in
lib
