"""The paper's tables and figures, one module each, from run records alone: nothing here trains or loads a model."""
