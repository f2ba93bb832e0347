"""An interactive toolkit for analysing continual learning."""
