"""What requests and answers of the API look like. The description at /api/v1/openapi.json is made from these."""
