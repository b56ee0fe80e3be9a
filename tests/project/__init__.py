"""What holds for the whole: settings, documents, deployment, the local stack."""
