"""Clients of the sandbox, and what a check says of their answers."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SAGEMAKER = os.environ["SANDBOX_SAGEMAKER_URL"]
STS = os.environ["SANDBOX_STS_URL"]
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
REGION, ACCOUNT, DOMAIN = "eu-west-1", "111122223333", "d-sandbox00001"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/postern"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
MLFLOW_APP, PARTNER_APP = ARN + "mlflow-app/app-EXPERIMENTS1", ARN + "partner-app/app-COMET0000001"

# The judge of bad input is the server.
CONFIG = Config(parameter_validation=False, retries={"total_max_attempts": 1, "mode": "standard"})
RETRYING = Config(retries={"total_max_attempts": 3, "mode": "standard"})
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def client(service="sagemaker", key=KEY, secret=SECRET, token=None, region=REGION, config=CONFIG, url=None):
    url = url or (SAGEMAKER if service == "sagemaker" else STS)
    return boto3.client(service, region_name=region, endpoint_url=url, aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token, config=config)


def session(**arguments):
    issued = client("sts").assume_role(**{"RoleArn": ROLE, "RoleSessionName": "ada", **arguments})["Credentials"]
    return {"key": issued["AccessKeyId"], "secret": issued["SecretAccessKey"], "token": issued["SessionToken"]}


def refused(code, call, text="", status=400, **arguments):
    try:
        answer = call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        same(found["Code"], code)
        assert text in (found.get("Message") or ""), found
        same(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
        assert error.response["ResponseMetadata"]["RequestId"]
    else:
        raise AssertionError(f"expected {code}, got {answer}")


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def open_url(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def cli(*arguments, status=0, **environment):
    url = STS if arguments[0] == "sts" else SAGEMAKER
    variables = {**os.environ, "AWS_DEFAULT_REGION": REGION, "AWS_MAX_ATTEMPTS": "1", "AWS_PAGER": "", **environment}
    command = [sys.executable, "-m", "awscli", *arguments, "--endpoint-url", url, "--output", "json"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    same((done.returncode == 0), (status == 0))
    return json.loads(done.stdout) if status == 0 else done.stderr


def allow(*actions, resource="*", **more):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


PRESIGN = [
    ("create_presigned_domain_url", {"DomainId": DOMAIN, "UserProfileName": "ada"}, "AuthorizedUrl"),
    ("create_presigned_mlflow_tracking_server_url", {"TrackingServerName": "experiments"}, "AuthorizedUrl"),
    ("create_presigned_notebook_instance_url", {"NotebookInstanceName": "grace-notebook"}, "AuthorizedUrl"),
    ("create_presigned_mlflow_app_url", {"Arn": MLFLOW_APP}, "AuthorizedUrl"),
    ("create_partner_app_presigned_url", {"Arn": PARTNER_APP}, "Url"),
]


def replace_body(text):
    def handler(request, **_):
        request.data = text.encode()
        request.headers["Content-Length"] = str(len(text))
    return handler


def shape(value):
    """Keys and kinds of an answer, without the transport's."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items()) if key != "ResponseMetadata"}
    return type(value).__name__
