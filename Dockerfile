# The service on ONNX Runtime: no PyTorch, no training.  docker build -t sales-conversion:0.1.0 .
# Models are not in it: mount an artifact folder at /app/artifacts. What the service writes goes to /app/state and /tmp.
FROM python:3.11-slim AS packages
WORKDIR /packages
COPY requirements/serving.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements/serving.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin sales \
    && install --directory --owner=10001 /app/state
WORKDIR /app
COPY --from=packages /venv /venv
COPY *.py ./
COPY foundations/ foundations/
COPY conversations/ conversations/
COPY encoder/ encoder/
COPY probability/ probability/
COPY modelling/ modelling/
COPY signals/ signals/
COPY similarity/ similarity/
COPY scoring/ scoring/
COPY evaluation/ evaluation/
COPY answers/ answers/
COPY prediction_log/ prediction_log/
COPY service/ service/
COPY stages/ stages/
RUN python -m compileall -q /app
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SALES_ARTIFACTS=/app/artifacts \
    SALES_HOST=0.0.0.0 \
    SALES_PORT=8000 \
    SALES_STATE=/app/state
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "service.health_check"]
# `docker run IMAGE purge` is the other mode that makes sense here.
ENTRYPOINT ["python", "main.py", "--mode"]
CMD ["deploy"]
