"""`make demo`: f2b doing its main job, on a stage of namespaces that leaves nothing behind."""
