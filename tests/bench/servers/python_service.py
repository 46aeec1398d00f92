"""The usual alternative: a small service with PyJWT and boto3, and for MLflow with botocore's signatures. It checks what a gateway must check of a token, and does
nothing else: no sign-in, no sessions, no rules, no role per person, no record of who opened what."""

import json
import os
import pathlib

import boto3
import botocore.session
import urllib3
import flask
import jwt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

PUBLISHED = json.loads(pathlib.Path(os.environ["JWKS_FILE"]).read_text())
KEYS = {key["kid"]: jwt.PyJWK(key) for key in PUBLISHED["keys"]}
SAGEMAKER = boto3.client("sagemaker", region_name="eu-west-1", endpoint_url=os.environ["SAGEMAKER"])

SIGNER = SigV4Auth(botocore.session.get_session().get_credentials(), "sagemaker-mlflow", "eu-west-1")
UPSTREAM = urllib3.PoolManager(maxsize=64)
SERVER = "arn:aws:sagemaker:eu-west-1:111122223333:mlflow-tracking-server/experiments"

app = flask.Flask(__name__)


@app.get("/studio")
def studio():
    try:
        claims = verified(flask.request.headers.get("Authorization", ""))
    except (jwt.PyJWTError, KeyError):
        return "Unauthorized", 401
    answer = SAGEMAKER.create_presigned_domain_url(
        DomainId="d-sandbox00001",
        UserProfileName=claims["preferred_username"],
        ExpiresInSeconds=20,
    )
    return flask.redirect(answer["AuthorizedUrl"])


@app.get("/as-the-person")
def as_the_person():
    """A role per person, and a look at the profile before the URL: one call after the other, as such services are written."""
    try:
        claims = verified(flask.request.headers.get("Authorization", ""))
    except (jwt.PyJWTError, KeyError):
        return "Unauthorized", 401
    sts = boto3.client("sts", region_name="eu-west-1", endpoint_url=os.environ["STS"])
    session = sts.assume_role(RoleArn=os.environ["ROLE"], RoleSessionName=claims["email"])["Credentials"]
    sagemaker = boto3.client(
        "sagemaker",
        region_name="eu-west-1",
        endpoint_url=os.environ["SAGEMAKER"],
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    profile = {"DomainId": "d-sandbox00001", "UserProfileName": claims["preferred_username"]}
    if sagemaker.describe_user_profile(**profile)["Status"] != "InService":
        return "Not ready", 409
    return flask.redirect(sagemaker.create_presigned_domain_url(**profile, ExpiresInSeconds=20)["AuthorizedUrl"])


@app.post("/tracking/<path:path>")
def tracking(path):
    try:
        verified(flask.request.headers.get("Authorization", ""))
    except (jwt.PyJWTError, KeyError):
        return "Unauthorized", 401
    url = f"{os.environ['UPSTREAM']}/{path}"
    headers = {"Content-Type": "application/json", "x-mlflow-sm-tracking-server-arn": SERVER}
    call = AWSRequest("POST", url, headers, flask.request.get_data())
    SIGNER.add_auth(call)
    answer = UPSTREAM.request("POST", url, body=call.body, headers=dict(call.headers))
    return answer.data, answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}


def verified(authorization):
    token = authorization.removeprefix("Bearer ")
    return jwt.decode(
        token,
        KEYS[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256", "ES256"],
        issuer=os.environ["ISSUER"],
        audience=os.environ["AUDIENCE"],
        options={"require": ["exp"]},
    )
