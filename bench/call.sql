SELECT :what;
