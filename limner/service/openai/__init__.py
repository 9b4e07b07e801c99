"""The calls that OpenAI's image clients make, answered by Limner's jobs.

`routes` is what the application includes; `asked` are requests, `told` answers, `refusals` errors. Each call is a job
like any other underneath (docs/openai.md).
"""
