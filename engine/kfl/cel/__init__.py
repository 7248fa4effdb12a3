"""KFL2, Kubeshark's second filter language: a CEL expression over flat, typed variables."""
