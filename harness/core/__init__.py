"""What everything else stands on: settings, processes, errors, progress, reports."""
