"""Configuration: a folder of YAML files → a frozen model, or every problem at once.

Public, each in a module of its own so that nothing heavy is imported unasked:

    loader.load, loader.Loaded, problem.Problem      the folder → Config, or problems
    catalog.Catalog                                  what is installed: connectors and value schemes
    model                                            the Config itself
    schema.schema                                    the JSON Schema for editors
    diff.diff, diff.Difference                       what a new Config changes in a running daemon
    watch.FolderWatcher                              tells when the folder's content changes

It knows the SDK only: no SQL, no command line, no network.
"""
